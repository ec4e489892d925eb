/* Send HTTP requests over kept-alive connections as fast as they are answered, and report rate and latencies.
 *
 * load PORT CONNECTIONS SECONDS FIRST: standard input holds the requests, each as its length in bytes, a line end and
 * the bytes. Connections take them in turn, again and again; each run of 12 `#` in one is replaced by the next number,
 * from FIRST, so that no two events have one id. Each connection's first request is answered before the clock starts.
 * The standard output is one fact a line. tests/bench/load.py compiles and starts this. It costs a few microseconds a
 * request (decision 0025).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { DIGITS = 12, INPUT = 65536, PATIENCE_MS = 60000 };

struct request { char *bytes; size_t length; size_t *places; size_t place_count; };
struct connection {
    char *out; size_t out_length, out_done;   /* the request that is being sent */
    char in[INPUT]; size_t in_length;         /* the head of its response */
    long body_left;                           /* -1 until the head is complete */
    int line, is_busy, status; uint64_t sent_at;
};

static struct request *requests; static size_t request_count, turn, longest;
static uint64_t number, *latencies; static size_t latency_count, latency_room;
static long statuses[1000]; static char samples[1000][301];

static void fail(const char *what) { fprintf(stderr, "load: %s\n", what); exit(1); }

static uint64_t now(void) {
    struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void *grown(void *old, size_t bytes) {
    void *memory = realloc(old, bytes); if (!memory) fail("no memory"); return memory;
}

static void read_requests(void) {
    size_t length;
    while (scanf("%zu", &length) == 1 && getchar() == '\n') {
        requests = grown(requests, (request_count + 1) * sizeof *requests);
        struct request *one = &requests[request_count++];
        *one = (struct request){grown(NULL, length), length, NULL, 0};
        if (fread(one->bytes, 1, length, stdin) != length) fail("a request is cut short");
        for (size_t at = 0; at + DIGITS <= length; at++) {
            if (memcmp(one->bytes + at, "############", DIGITS)) continue;
            one->places = grown(one->places, (one->place_count + 1) * sizeof(size_t));
            one->places[one->place_count++] = at; at += DIGITS - 1;
        }
        if (length > longest) longest = length;
    }
    if (!request_count) fail("no requests");
}

static void begin(struct connection *c) {
    struct request *one = &requests[turn++ % request_count];
    memcpy(c->out, one->bytes, one->length);
    for (size_t n = 0; n < one->place_count; n++) {
        uint64_t rest = number++;
        for (int digit = DIGITS - 1; digit >= 0; digit--, rest /= 10) c->out[one->places[n] + digit] = '0' + rest % 10;
    }
    c->out_length = one->length; c->out_done = 0; c->in_length = 0; c->body_left = -1; c->sent_at = now();
}

static void push(struct connection *c) {
    while (c->out_done < c->out_length) {
        ssize_t sent = send(c->line, c->out + c->out_done, c->out_length - c->out_done, MSG_NOSIGNAL);
        if (sent < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (sent < 0) fail("the server hung up");
        c->out_done += (size_t)sent;
    }
}

/* Keep the beginning of the first body of each status: it may come after its head. */
static void sample(int status, const char *body) {
    if (!samples[status][0]) snprintf(samples[status], 301, "%s", body);
}

/* Returns 1 when the response is complete. */
static int pull(struct connection *c) {
    ssize_t got = recv(c->line, c->in + c->in_length, INPUT - 1 - c->in_length, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
    if (got <= 0) fail("the server hung up");
    if (c->body_left >= 0) {
        c->in[got] = 0;
        sample(c->status, c->in);
        c->body_left -= got;
        return c->body_left <= 0;
    }
    c->in_length += (size_t)got; c->in[c->in_length] = 0;
    char *end = strstr(c->in, "\r\n\r\n");
    if (!end) { if (c->in_length == INPUT - 1) fail("the head of a response is too long"); return 0; }
    c->status = atoi(c->in + 9);
    if (c->status < 0 || c->status > 999) fail("a response without a status");
    long body = 0; /* of a 204 */
    if (c->status != 204) {
        char *length = strcasestr(c->in, "\r\ncontent-length:");
        if (!length || length > end) fail("a response without content-length");
        body = atol(length + 17);
    }
    sample(c->status, end + 4);
    c->body_left = body - (long)(c->in_length - (size_t)(end + 4 - c->in));
    c->in_length = 0;
    return c->body_left <= 0;
}

static void note(uint64_t latency) {
    if (latency_count == latency_room)
        latencies = grown(latencies, (latency_room = latency_room ? 2 * latency_room : 65536) * sizeof *latencies);
    latencies[latency_count++] = latency;
}

static int ascending(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b; return (x > y) - (x < y);
}

/* Send until `until` (0: one request a connection), then wait for the responses under way. */
static void run(struct connection *all, int count, uint64_t until) {
    struct pollfd *polls = grown(NULL, (size_t)count * sizeof *polls);
    int busy = count;
    for (int n = 0; n < count; n++) { all[n].is_busy = 1; begin(&all[n]); push(&all[n]); }
    while (busy) {
        for (int n = 0; n < count; n++) {  /* a negative descriptor is ignored */
            short events = POLLIN | (all[n].out_done < all[n].out_length ? POLLOUT : 0);
            polls[n] = (struct pollfd){all[n].is_busy ? all[n].line : -1, events, 0};
        }
        if (poll(polls, (nfds_t)count, PATIENCE_MS) <= 0) fail("no response within a minute");
        for (int n = 0; n < count; n++) {
            struct connection *c = &all[n];
            if (polls[n].revents & POLLOUT) push(c);
            if (!(polls[n].revents & ~POLLOUT) || !pull(c)) continue;
            uint64_t at = now();
            statuses[c->status]++;
            if (at < until) { note(at - c->sent_at); begin(c); push(c); } else { c->is_busy = 0; busy--; }
        }
    }
    free(polls);
}

int main(int count, char **values) {
    if (count != 5) fail("load PORT CONNECTIONS SECONDS FIRST");
    int connections = atoi(values[2]); double seconds = atof(values[3]); number = strtoull(values[4], NULL, 10);
    read_requests();
    struct connection *all = calloc((size_t)connections, sizeof *all);
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(values[1]))};
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (int n = 0, yes = 1; n < connections; n++) {
        all[n].line = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(all[n].line, (struct sockaddr *)&server, sizeof server)) fail("the server does not listen");
        setsockopt(all[n].line, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        fcntl(all[n].line, F_SETFL, O_NONBLOCK);
        all[n].out = grown(NULL, longest);
    }
    run(all, connections, 0);
    struct rusage before, after; getrusage(RUSAGE_SELF, &before);
    uint64_t started = now();
    run(all, connections, started + (uint64_t)(seconds * 1e9));
    getrusage(RUSAGE_SELF, &after);
    double cpu = (after.ru_utime.tv_sec - before.ru_utime.tv_sec + after.ru_stime.tv_sec - before.ru_stime.tv_sec) * 1e6
        + (after.ru_utime.tv_usec - before.ru_utime.tv_usec) + (after.ru_stime.tv_usec - before.ru_stime.tv_usec);
    if (latency_count) qsort(latencies, latency_count, sizeof *latencies, ascending);
    printf("responses %zu\nseconds %.6f\nclient_us %.0f\n", latency_count, seconds, cpu);
    for (int percent = 50; latency_count && percent <= 99; percent += 49)
        printf("p%d_us %.1f\n", percent, (double)latencies[latency_count * (size_t)percent / 100] / 1e3);
    for (int status = 0; status < 1000; status++)
        if (statuses[status]) printf("status %d %ld\n", status, statuses[status]);
    for (int status = 0; status < 1000; status++)
        if (statuses[status]) {
            for (char *p = samples[status]; *p; p++) if (*p == '\n' || *p == '\r') *p = ' ';
            printf("sample %d %s\n", status, samples[status]);
        }
    return 0;
}
