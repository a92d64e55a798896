/* A fake compiler or launcher. It reports how it was called, on standard error or in the file that
 * WITNESS_FILE names, and then does what WITNESS_DO says. A real compiler cannot show what it was
 * given, and a script does not see its own argv[0]. */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

static void copy_status(FILE *out) {
    char line[512];
    FILE *status = fopen("/proc/self/status", "r");
    while (status && fgets(line, sizeof line, status))
        if (!strncmp(line, "SigBlk:", 7) || !strncmp(line, "SigIgn:", 7)) fputs(line, out);
    if (status) fclose(status);
}

int main(int argc, char **argv) {
    const char *file = getenv("WITNESS_FILE"), *act = getenv("WITNESS_DO");
    char exe[4096] = "", cwd[4096];

    FILE *out = file ? fopen(file, "a") : stderr;
    if (!out) return 99;
    if (readlink("/proc/self/exe", exe, sizeof exe - 1) < 0) return 98;
    fprintf(out, "exe=%s\ncwd=%s\nargc=%d\n", exe, getcwd(cwd, sizeof cwd), argc);
    for (int i = 0; i < argc; i++) fprintf(out, "argv[%d]=%s\n", i, argv[i]);
    for (char **e = environ; *e; e++) fprintf(out, "env %s\n", *e);
    copy_status(out);
    for (int fd = 0; fd < 10; fd++) {
        char path[32], target[4096] = "";
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        if (readlink(path, target, sizeof target - 1) > 0 && (!file || fd != fileno(out)))
            fprintf(out, "fd %d %s\n", fd, target);
    }
    fputs("end\n", out);
    fflush(out);

    if (act && !strncmp(act, "exit ", 5)) return atoi(act + 5);
    if (act && !strncmp(act, "kill ", 5)) raise(atoi(act + 5));
    if (act && !strcmp(act, "cat")) {
        int c;
        while ((c = getchar()) != EOF) putchar(c);
    }
    /* Act as a launcher: execute the remaining arguments. */
    if (act && !strcmp(act, "exec")) {
        unsetenv("WITNESS_DO");
        execv(argv[1], argv + 1);
        return 97;
    }
    return 0;
}
