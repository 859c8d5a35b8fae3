/* Native work with its own clock: two functions, one of them static, that do the same
   to different amounts. What each took is counted by the thread's CPU clock. */

#include <time.h>

static long long spent_ns[2];

static long long cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static __attribute__((noinline)) unsigned burn_hidden(unsigned long rounds)
{
    volatile unsigned state = 1;
    while (rounds--)
        state = state * 1664525u + 1013904223u;
    return state;
}

__attribute__((noinline)) unsigned burn_shown(unsigned long rounds)
{
    volatile unsigned state = 2;
    while (rounds--)
        state = state * 22695477u + 1u;
    return state;
}

/* Some 10 ms: three parts hidden, one shown. */
__attribute__((noinline)) unsigned burn_both(unsigned long rounds)
{
    long long start = cpu_ns();
    unsigned sum = burn_hidden(3 * rounds);
    long long middle = cpu_ns();
    sum += burn_shown(rounds);
    spent_ns[0] += middle - start;
    spent_ns[1] += cpu_ns() - middle;
    return sum;
}

/* Calls back, as list.sort and qsort do. */
__attribute__((noinline)) unsigned burn_under(unsigned (*callback)(void))
{
    unsigned sum = 0;
    for (int i = 0; i < 3; i++)
        sum += callback() + 1;
    return sum;
}

long long burn_spent(int which)
{
    return spent_ns[which];
}
