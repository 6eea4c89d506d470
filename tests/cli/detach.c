#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <unistd.h>

int pthread_detach(pthread_t thread) {
    pthread_attr_t attributes;
    size_t bytes = 0;
    if (pthread_getattr_np(thread, &attributes) == 0) pthread_attr_getstacksize(&attributes, &bytes);
    if (bytes >= 16 << 20) {
        static const char message[] = "a thread with a large stack is detached\n";
        write(2, message, sizeof message - 1);
        _exit(99);
    }
    return ((int (*)(pthread_t))dlsym(RTLD_NEXT, "pthread_detach"))(thread);
}
