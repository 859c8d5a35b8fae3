/* Ways of native code to wait without sleeping, and one that only looks like it. */

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

static atomic_int flag;
static pthread_spinlock_t lock;
static int turns[64];

__attribute__((constructor)) static void begin(void)
{
    pthread_spin_init(&lock, PTHREAD_PROCESS_PRIVATE);
}

static void nap(long ns)
{
    struct timespec length = {0, ns};
    nanosleep(&length, 0);
}

/* Looks at the flag until another thread has raised it. */
__attribute__((noinline)) int wait_for_flag(int seen)
{
    while (atomic_load(&flag) == seen)
        __builtin_ia32_pause();
    return atomic_load(&flag);
}

void raise_flag(void)
{
    atomic_fetch_add(&flag, 1);
}

/* Takes a spin lock that another thread keeps for long. */
__attribute__((noinline)) void take_lock(void)
{
    pthread_spin_lock(&lock);
    pthread_spin_unlock(&lock);
}

void keep_lock(void)
{
    pthread_spin_lock(&lock);
    nap(20000000);
    pthread_spin_unlock(&lock);
    nap(100000);
}

/* A small part of work for each thread of a team. */
void share_work(void)
{
#ifdef _OPENMP
#pragma omp parallel for num_threads(2)
#endif
    for (int i = 0; i < 64; i++)
        turns[i]++;
}

/* Computes, and now and then spins for a moment, as a mutex does before it sleeps. */
__attribute__((noinline)) unsigned work_and_spin(unsigned long rounds)
{
    volatile unsigned state = 1;
    for (unsigned long i = 0; i < rounds; i++) {
        state = state * 1664525u + 1013904223u;
        if (i % 4096 == 0)
            for (int pause = 0; pause < 4; pause++)
                __builtin_ia32_pause();
    }
    return state;
}
