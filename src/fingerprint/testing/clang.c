/* Answers -### as clang with the new offload driver does, for a small tree around it. Appends a byte
   to ../asked for each call. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv) {
    char exe[4096], root[4096], path[8192];
    ssize_t length = readlink("/proc/self/exe", exe, sizeof exe - 1);
    if (length < 0)
        return 1;
    exe[length] = 0;
    strcpy(root, exe);
    *strrchr(root, '/') = 0;
    *strrchr(root, '/') = 0;

    snprintf(path, sizeof path, "%s/asked", root);
    FILE *asked = fopen(path, "a");
    if (asked) {
        fputc('x', asked);
        fclose(asked);
    }
    fprintf(stderr, "fake clang version 1\nTarget: fake-triple\n");
    const char *mode = "clang";
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--driver-mode=g++") == 0)
            mode = "clang++";
    }
    snprintf(path, sizeof path, "%s/bin/%s.cfg", root, mode);
    if (access(path, R_OK) == 0)
        fprintf(stderr, "Configuration file: %s\n", path);
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--offload-arch=", 15) != 0)
            continue;
        fprintf(stderr, " \"%s\" \"-cc1\" \"-mlink-builtin-bitcode\" \"%s/bc/ocml.bc\"\n", exe, root);
        fprintf(stderr, " \"%s/bin/clang-linker-wrapper\" \"--emit-fatbin-only\"\n", root);
    }
    fprintf(stderr, " \"%s\" \"-cc1\" \"-resource-dir\" \"%s/res\" \"-x\" \"c\"\n", exe, root);
    return 0;
}
