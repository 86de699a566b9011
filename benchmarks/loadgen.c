/*
 * Plays N clients that speak in real time, from one thread, and tells how late the answers are.
 *
 *     loadgen raw|ws PORT SESSIONS FRAME_MS WARM_S WINDOW_S PATH
 *
 * Every session sends 16 kHz 16-bit mono audio, one frame each FRAME_MS, on a schedule fixed beforehand; the sessions'
 * schedules are spread evenly over one frame. An `audio-ack` in an answer carries `audio_offset`, in samples. The frame
 * that holds that sample was due at a known time, and the latency counts from there: a generator or a server that falls
 * behind makes it worse, never better. Nothing in the audio marks it.
 *
 *     ws   HTTP upgrade on PATH, a `start` message, `ready`, then masked binary frames; answers are text frames
 *     raw  `ready` comes by itself; every message of both sides is its length (u32, little endian) and its bytes
 *
 * Says "connected" on standard output when all sessions are ready and waits for a line on standard input; says "window"
 * when the measurement begins and "done" when it ends, each followed by a newline; last comes one line of JSON.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTING, UPGRADING, STARTING, READY, DEAD };
enum { ROOM = 32 * 1024, SAMPLES_PER_MS = 16, OPENING_AT_ONCE = 64 };

typedef struct {
    int fd, state;
    uint8_t *in;      /* what was read and not understood yet */
    int filled;
    uint64_t due;     /* frames whose time has come */
    uint64_t sent;    /* frames written wholly */
    int offset;       /* bytes of the current frame that are written */
    int is_waiting;   /* for the socket to take more */
    uint64_t phase;   /* ns after the common start */
} Session;

static Session *sessions;
static int is_ws, count, frame_ms, poller, ready, opening, dead;
static uint8_t *frame;
static int frame_size;
static uint64_t begin, from, until, *latencies, n_latencies, n_room, n_late, *lates, frames_in_window, messages;
static const char *path, *failure = "";
static const uint8_t MASK[4] = {0x37, 0xfa, 0x21, 0x3d};

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void give_up(const char *why) {
    perror(why);
    exit(2);
}

static void end(Session *s, const char *why) {
    if (s->state == DEAD) return;
    if (s->state != READY) opening--;
    close(s->fd);
    s->state = DEAD;
    dead++;
    failure = why;
}

static int masked(uint8_t *out, int opcode, const void *data, int size) {
    int head = 0;
    out[head++] = 0x80 | opcode;
    if (size < 126) {
        out[head++] = 0x80 | size;
    } else {
        out[head++] = 0x80 | 126;
        out[head++] = size >> 8;
        out[head++] = size;
    }
    memcpy(out + head, MASK, 4);
    head += 4;
    for (int i = 0; i < size; i++) out[head + i] = ((const uint8_t *)data)[i] ^ MASK[i & 3];
    return head + size;
}

static void build_frame(void) {
    int size = frame_ms * SAMPLES_PER_MS * 2;
    uint8_t *pcm = malloc(size);
    frame = malloc(size + 16);
    uint32_t noise = 12345;
    for (int i = 0; i < size / 2; i++) {
        noise = noise * 1664525 + 1013904223;
        int16_t sample = (int16_t)(noise >> 16) / 64;
        memcpy(pcm + 2 * i, &sample, 2);
    }
    if (is_ws) {
        frame_size = masked(frame, 2, pcm, size);
    } else {
        uint32_t length = size;
        memcpy(frame, &length, 4);
        memcpy(frame + 4, pcm, size);
        frame_size = size + 4;
    }
    free(pcm);
}

static void watch(Session *s, int for_writing) {
    struct epoll_event e = {.events = EPOLLIN | (for_writing ? EPOLLOUT : 0), .data.ptr = s};
    epoll_ctl(poller, EPOLL_CTL_MOD, s->fd, &e);
    s->is_waiting = for_writing;
}

/* Small messages only: the socket always has room for one of them. */
static void tell(Session *s, const void *data, int size) {
    if (send(s->fd, data, size, MSG_NOSIGNAL) != size) end(s, "a short message was not taken");
}

static void write_due(Session *s) {
    while (s->sent < s->due) {
        ssize_t n = send(s->fd, frame + s->offset, frame_size - s->offset, MSG_NOSIGNAL);
        if (n < 0) {
            if (errno != EAGAIN) {
                end(s, "send");
                return;
            }
            n = 0;
        }
        s->offset += n;
        if (s->offset < frame_size) {
            if (!s->is_waiting) watch(s, 1);
            return;
        }
        s->offset = 0;
        s->sent++;
        uint64_t t = now();
        if (t >= from && t < until) frames_in_window++;
    }
    if (s->is_waiting) watch(s, 0);
}

static void understand(Session *s, char *text, int size) {
    messages++;
    char *key = memmem(text, size, "\"audio_offset\":", 15);
    if (s->state == STARTING) {
        if (memmem(text, size, "\"ready\"", 7)) {
            s->state = READY;
            ready++;
            opening--;
        } else {
            fprintf(stderr, "loadgen: %.*s\n", size < 200 ? size : 200, text);
            end(s, "refused");
        }
        return;
    }
    if (memmem(text, size, "\"error\"", 7)) fprintf(stderr, "loadgen: %.*s\n", size < 200 ? size : 200, text);
    if (!key || !memmem(text, size, "\"audio-ack\"", 11)) return;
    uint64_t samples = strtoull(key + 15, NULL, 10), per_frame = frame_ms * SAMPLES_PER_MS;
    if (!samples) return;
    uint64_t last = (samples + per_frame - 1) / per_frame - 1;
    uint64_t due = begin + s->phase + last * frame_ms * 1000000ull, t = now();
    if (t >= from && t < until && n_latencies < n_room) latencies[n_latencies++] = t > due ? t - due : 0;
}

static void greet(Session *s) {
    char text[512];
    if (!is_ws) {
        s->state = STARTING;
        return;
    }
    tell(s, text,
         snprintf(text, sizeof text,
                  "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
                  path));
    s->state = UPGRADING;
}

static int take_upgrade(Session *s) {
    uint8_t *head_end = memmem(s->in, s->filled, "\r\n\r\n", 4);
    if (!head_end) return 0;
    if (!memmem(s->in, 16, " 101", 4)) {
        fprintf(stderr, "loadgen: %.100s\n", (char *)s->in);
        end(s, "no upgrade");
        return 0;
    }
    uint8_t out[128];
    const char *start = "{\"type\":\"start\",\"format\":{\"sample_rate\":16000}}";
    s->state = STARTING;
    tell(s, out, masked(out, 1, start, strlen(start)));
    return head_end + 4 - s->in;
}

/* One message; returns the bytes it took, 0 if it is not whole yet. */
static int take_message(Session *s, uint8_t *at, int left) {
    if (!is_ws) {
        uint32_t size;
        if (left < 4) return 0;
        memcpy(&size, at, 4);
        if ((uint32_t)left < 4 + size) return 0;
        understand(s, (char *)at + 4, size);
        return 4 + size;
    }
    if (left < 2) return 0;
    int head = 2, size = at[1] & 127;
    if (size == 126) {
        if (left < 4) return 0;
        size = at[2] << 8 | at[3];
        head = 4;
    } else if (size == 127) {
        end(s, "too long an answer");
        return 0;
    }
    if (left < head + size) return 0;
    uint8_t pong[160];
    switch (at[0] & 15) {
        case 1: understand(s, (char *)at + head, size); break;
        case 8: end(s, "closed by the server"); return 0;
        case 9: if (!s->offset) tell(s, pong, masked(pong, 10, at + head, size)); break;
        default: break;
    }
    return head + size;
}

static void read_answers(Session *s) {
    ssize_t n = recv(s->fd, s->in + s->filled, ROOM - 1 - s->filled, 0);
    if (n == 0 || (n < 0 && errno != EAGAIN)) {
        end(s, n ? "recv" : "hung up on");
        return;
    }
    if (n < 0) return;
    s->filled += n;
    s->in[s->filled] = 0;
    int done = 0;
    if (s->state == UPGRADING) done = take_upgrade(s);
    if (s->state == UPGRADING || s->state == DEAD) return;
    for (int n; s->state != DEAD && (n = take_message(s, s->in + done, s->filled - done)) > 0;) done += n;
    memmove(s->in, s->in + done, s->filled - done);
    s->filled -= done;
}

static void serve(Session *s, uint32_t events) {
    if (s->state == DEAD) return;
    if (s->state == CONNECTING) {
        int error = 0;
        socklen_t size = sizeof error;
        getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &size);
        if (error) {
            errno = error;
            end(s, "connect");
            return;
        }
        watch(s, 0);
        greet(s);
        return;
    }
    if (events & EPOLLOUT) write_due(s);
    if (s->state != DEAD && events & (EPOLLIN | EPOLLHUP | EPOLLERR)) read_answers(s);
}

static void wait_for(int64_t ns) {
    struct epoll_event events[256];
    struct timespec t = {ns / 1000000000, ns % 1000000000};
    int n = epoll_pwait2(poller, events, 256, &t, NULL);
    for (int i = 0; i < n; i++) serve(events[i].data.ptr, events[i].events);
}

static void open_session(Session *s, int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int one = 1;
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (s->fd < 0) give_up("socket");
    setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(s->fd, (void *)&address, sizeof address) < 0 && errno != EINPROGRESS) give_up("connect");
    struct epoll_event e = {.events = EPOLLOUT, .data.ptr = s};
    epoll_ctl(poller, EPOLL_CTL_ADD, s->fd, &e);
    s->in = malloc(ROOM);
    s->state = CONNECTING;
    opening++;
}

static int by_size(const void *a, const void *b) {
    uint64_t x = *(uint64_t *)a, y = *(uint64_t *)b;
    return x < y ? -1 : x > y;
}

static double ms(uint64_t *sorted, uint64_t n, double part) { return n ? sorted[(uint64_t)(part * (n - 1))] / 1e6 : -1; }

static double cpu(void) {
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return u.ru_utime.tv_sec + u.ru_stime.tv_sec + (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void say(const char *word) {
    puts(word);
    fflush(stdout);
}

int main(int argc, char **argv) {
    if (argc != 8) return fputs("see the top of loadgen.c\n", stderr), 2;
    is_ws = !strcmp(argv[1], "ws");
    int port = atoi(argv[2]);
    count = atoi(argv[3]);
    frame_ms = atoi(argv[4]);
    double warm = atof(argv[5]), window = atof(argv[6]);
    path = argv[7];
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    build_frame();
    sessions = calloc(count, sizeof *sessions);
    poller = epoll_create1(0);
    n_room = count * (window + 1) * 1000 / frame_ms + 1000;
    latencies = malloc(n_room * sizeof *latencies);
    lates = malloc(n_room * sizeof *lates);

    uint64_t patience = now() + 60000000000ull;
    for (int next = 0; ready + dead < count && now() < patience;) {
        while (next < count && opening < OPENING_AT_ONCE) open_session(&sessions[next++], port);
        wait_for(50000000);
    }
    if (ready < count) return fprintf(stderr, "loadgen: %d of %d sessions: %s\n", ready, count, failure), 1;
    say("connected");
    char line[16];
    if (!fgets(line, sizeof line, stdin)) return 1;

    uint64_t period = frame_ms * 1000000ull, k = 0;
    begin = now() + 50000000ull;
    from = begin + (uint64_t)(warm * 1e9);
    until = from + (uint64_t)(window * 1e9);
    for (int i = 0; i < count; i++) sessions[i].phase = period * i / count;
    double spent = 0;
    int next = 0, is_measuring = 0;
    for (uint64_t t = now(); t < until; t = now()) {
        if (!is_measuring && t >= from) {
            is_measuring = 1;
            spent = cpu();
            say("window");
        }
        uint64_t due = begin + k * period + sessions[next].phase;
        for (int burst = 0; due <= t && burst < 16; burst++) {
            if (is_measuring && n_late < n_room) lates[n_late++] = t - due;
            Session *s = &sessions[next];
            s->due++;
            if (s->state == READY && !s->is_waiting) write_due(s);
            if (++next == count) next = 0, k++;
            due = begin + k * period + sessions[next].phase;
        }
        int64_t pause = (int64_t)due - (int64_t)now();
        wait_for(pause > 0 ? pause : 0);
    }
    spent = cpu() - spent;
    say("done");
    qsort(latencies, n_latencies, sizeof *latencies, by_size);
    qsort(lates, n_late, sizeof *lates, by_size);
    printf("{\"frames\":%llu,\"expected\":%.0f,\"answers\":%llu,\"messages\":%llu,\"p50_ms\":%.3f,\"p99_ms\":%.3f,"
           "\"max_ms\":%.3f,\"late_p99_ms\":%.3f,\"generator_cores\":%.3f,\"dead\":%d,\"failure\":\"%s\"}\n",
           (unsigned long long)frames_in_window, count * window * 1000 / frame_ms, (unsigned long long)n_latencies,
           (unsigned long long)messages, ms(latencies, n_latencies, .5), ms(latencies, n_latencies, .99),
           ms(latencies, n_latencies, 1), ms(lates, n_late, .99), spent / window, dead, failure);
    return dead ? 1 : 0;
}
