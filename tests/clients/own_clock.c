/* A clock of its own for a client that cannot do without one that it may set.
 *
 * Loaded by LD_PRELOAD, it answers in place of the C library whatever reads or sets the
 * real-time clock: reading adds what the client has set, and setting changes that sum and
 * nothing else. The timestamps that the kernel puts on datagrams are moved as well. The
 * machine's clock stays out of reach: what is here never calls what could set it.
 *
 * The file that OWN_CLOCK names has the state, four 64-bit numbers: how far the clock is
 * from the host's, in ns; when that was so, by CLOCK_MONOTONIC, in ns; how fast it drifts
 * from there, in parts per 10^9; and how often it was set.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000LL

struct state {
    int64_t ahead_ns, at_ns, rate_ppb, sets;
};

static struct state *state;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long frequency; /* as adjtimex has it: ppm times 2^16 */
static int status = STA_UNSYNC;

static int64_t host(clockid_t clock)
{
    struct timespec now;
    syscall(SYS_clock_gettime, clock, &now);
    return now.tv_sec * SECOND + now.tv_nsec;
}

__attribute__((constructor)) static void begin(void)
{
    const char *name = getenv("OWN_CLOCK");
    int file = name ? open(name, O_RDWR | O_CLOEXEC) : -1;
    if (file < 0)
        _exit(126);
    state = mmap(NULL, sizeof *state, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (state == MAP_FAILED)
        _exit(126);
    close(file);
    state->at_ns = host(CLOCK_MONOTONIC);
}

/* How far the clock is from the host's by now. The lock is held. */
static int64_t ahead(void)
{
    int64_t elapsed = host(CLOCK_MONOTONIC) - state->at_ns;
    return state->ahead_ns + (int64_t)((__int128)elapsed * state->rate_ppb / SECOND);
}

static int64_t now_ahead(void)
{
    pthread_mutex_lock(&lock);
    int64_t result = ahead();
    pthread_mutex_unlock(&lock);
    return result;
}

/* Moves the clock by `by` and lets it drift by `rate_ppb` from now on. */
static void set(int64_t by, int64_t rate_ppb)
{
    int64_t result = ahead() + by;
    state->at_ns = host(CLOCK_MONOTONIC);
    state->ahead_ns = result;
    state->rate_ppb = rate_ppb;
    state->sets++;
}

static void split(int64_t ns, int64_t *seconds, int64_t *rest)
{
    *seconds = ns / SECOND - (ns % SECOND < 0);
    *rest = ns - *seconds * SECOND;
}

int clock_gettime(clockid_t clock, struct timespec *to)
{
    int result = syscall(SYS_clock_gettime, clock, to);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        int64_t seconds, rest;
        split(to->tv_sec * SECOND + to->tv_nsec + now_ahead(), &seconds, &rest);
        to->tv_sec = seconds;
        to->tv_nsec = rest;
    }
    return result;
}

int gettimeofday(struct timeval *restrict to, void *restrict zone)
{
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    to->tv_sec = now.tv_sec;
    to->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *to)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (to)
        *to = now.tv_sec;
    return now.tv_sec;
}

int clock_settime(clockid_t clock, const struct timespec *to)
{
    if (clock != CLOCK_REALTIME) {
        errno = EINVAL;
        return -1;
    }
    pthread_mutex_lock(&lock);
    int64_t now = host(CLOCK_REALTIME) + ahead();
    set(to->tv_sec * SECOND + to->tv_nsec - now, state->rate_ppb);
    pthread_mutex_unlock(&lock);
    return 0;
}

int settimeofday(const struct timeval *to, const struct timezone *zone)
{
    (void)zone;
    struct timespec time = {to->tv_sec, to->tv_usec * 1000};
    return clock_settime(CLOCK_REALTIME, &time);
}

int adjtimex(struct timex *with)
{
    pthread_mutex_lock(&lock);
    int64_t unit = with->modes & ADJ_NANO ? 1 : 1000, by = 0;
    int changes = 0;
    if (with->modes & ADJ_STATUS)
        status = with->status;
    if (with->modes & ADJ_FREQUENCY) {
        frequency = with->freq;
        changes = 1;
    }
    if (with->modes & ADJ_SETOFFSET) {
        by = with->time.tv_sec * SECOND + with->time.tv_usec * unit;
        changes = 1;
    } else if (with->modes & ADJ_OFFSET) {
        /* The kernel would take a while for it. */
        by = with->offset * unit;
        changes = 1;
    }
    if (changes)
        set(by, (int64_t)frequency * 1000 / 65536);
    int64_t seconds, rest;
    split(host(CLOCK_REALTIME) + ahead(), &seconds, &rest);
    pthread_mutex_unlock(&lock);
    with->offset = 0;
    with->freq = frequency;
    with->status = status;
    with->tick = 10000;
    with->precision = 1;
    with->tolerance = 500 * 65536;
    with->time.tv_sec = seconds;
    with->time.tv_usec = status & STA_NANO ? rest : rest / 1000;
    return status & STA_UNSYNC ? TIME_ERROR : TIME_OK;
}

int clock_adjtime(clockid_t clock, struct timex *with)
{
    if (clock != CLOCK_REALTIME) {
        errno = EINVAL;
        return -1;
    }
    return adjtimex(with);
}

int ntp_adjtime(struct timex *with)
{
    return adjtimex(with);
}

/* Moves `count` times of a control message, whose second field counts in `unit` ns. */
static void move(unsigned char *times, int count, int64_t unit)
{
    for (; count > 0; count--, times += 16) {
        int64_t time[2];
        memcpy(time, times, sizeof time);
        /* Zero is none. */
        if (time[0] != 0) {
            split(time[0] * SECOND + time[1] * unit + now_ahead(), &time[0], &time[1]);
            time[1] /= unit;
            memcpy(times, time, sizeof time);
        }
    }
}

ssize_t recvmsg(int socket, struct msghdr *message, int flags)
{
    ssize_t result = syscall(SYS_recvmsg, socket, message, flags);
    if (result < 0 || message->msg_controllen == 0)
        return result;
    for (struct cmsghdr *each = CMSG_FIRSTHDR(message); each; each = CMSG_NXTHDR(message, each)) {
        if (each->cmsg_level != SOL_SOCKET)
            continue;
        if (each->cmsg_type == SO_TIMESTAMP)
            move(CMSG_DATA(each), 1, 1000);
        else if (each->cmsg_type == SO_TIMESTAMPNS)
            move(CMSG_DATA(each), 1, 1);
        else if (each->cmsg_type == SO_TIMESTAMPING)
            move(CMSG_DATA(each), 3, 1);
    }
    return result;
}
