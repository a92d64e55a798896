/* A fake compiler for tests that run it thousands of times. It answers what rock-wrap asks clang. A
 * compile writes the language of its driver mode and the path of its executable into the output. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv) {
    const char *slash = strrchr(argv[0], '/'), *name = slash ? slash + 1 : argv[0], *out = NULL;
    const char *language = strstr(name, "++") ? "C++" : "C";
    char exe[8192] = "";

    if (readlink("/proc/self/exe", exe, sizeof exe - 1) < 0) return 98;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--version")) return printf("fake clang version 1.0\n") < 0;
        if (!strcmp(argv[i], "-###")) {
            /* In clang's format, with clang's quoting. */
            fputs("fake clang version 1.0\n \"", stderr);
            for (const char *c = exe; *c; c++) {
                if (strchr("\"\\$", *c)) fputc('\\', stderr);
                fputc(*c, stderr);
            }
            fputs("\" \"-cc1\"\n", stderr);
            return 0;
        }
        if (!strcmp(argv[i], "-")) while (getchar() != EOF) {}
        if (!strcmp(argv[i], "-o") && i + 1 < argc) out = argv[++i];
    }
    if (!out) return 0;
    FILE *file = fopen(out, "w");
    if (!file) return 97;
    fprintf(file, "%s by %s\n", language, exe);
    return fclose(file) != 0;
}
