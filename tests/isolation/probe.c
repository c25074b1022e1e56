// Asks the kernel one thing, and prints what it says: a word, or the number of the error.
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static int say(long result) {
    if (result < 0) printf("errno %d\n", errno);
    else printf("done\n");
    return 0;
}

static int with_result(long result) {
    if (result < 0 && result > -4096) { errno = -result; result = -1; }
    return say(result);
}

static socklen_t abstract(struct sockaddr_un *address, const char *name) {
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    strncpy(address->sun_path + 1, name, sizeof address->sun_path - 2);
    return offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name);
}

// Listens until it is killed.
static int listen_at(const char *name) {
    struct sockaddr_un address;
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&address, abstract(&address, name)) || listen(listener, 9)) return say(-1);
    printf("listening\n");
    fflush(stdout);
    for (;;) close(accept(listener, 0, 0));
}

static int connect_to(const char *name) {
    struct sockaddr_un address;
    int stream = socket(AF_UNIX, SOCK_STREAM, 0);
    return say(connect(stream, (struct sockaddr *)&address, abstract(&address, name)));
}

static int trace_child(void) {
    pid_t child = fork();
    if (!child) { pause(); _exit(0); }
    long result = ptrace(PTRACE_SEIZE, child, 0, 0);
    int error = errno;
    kill(child, SIGKILL);
    waitpid(child, 0, 0);
    errno = error;
    return say(result);
}

int main(int count, char **words) {
    if (count < 2) return 1;
    long a[4] = {0};
    for (int i = 0; i < 4 && i + 2 < count; i++) a[i] = strtol(words[i + 2], 0, 0);
    if (!strcmp(words[1], "socket")) return say(socket(a[0], SOCK_SEQPACKET, 0));
    if (!strcmp(words[1], "call")) return say(syscall(a[0], a[1], a[2], a[3]));
    if (!strcmp(words[1], "user")) return !printf("%d\n", (int)geteuid());
    if (!strcmp(words[1], "listen")) return listen_at(words[2]);
    if (!strcmp(words[1], "connect")) return connect_to(words[2]);
    if (!strcmp(words[1], "trace-child")) return trace_child();
    if (!strcmp(words[1], "trace")) return say(ptrace(PTRACE_SEIZE, a[0], 0, 0));
#ifdef __x86_64__
    // As a 32-bit program does it.
    if (!strcmp(words[1], "call32")) {
        long result;
        __asm__ volatile("int $0x80" : "=a"(result) : "a"(a[0]), "b"(a[1]), "c"(a[2]), "d"(a[3]) : "memory");
        return with_result((int)result);
    }
    // By socketcall, whose arguments are in memory: below 4 GB, as the program is not moved about.
    if (!strcmp(words[1], "socket32")) {
        static int arguments[3];
        long result;
        arguments[0] = a[0];
        arguments[1] = SOCK_SEQPACKET;
        __asm__ volatile("int $0x80" : "=a"(result) : "a"(102L), "b"(1L), "c"(arguments) : "memory");
        return with_result((int)result);
    }
#endif
    return 1;
}
