/* The sink: thousands of listening clients in one light process.
 *
 * One epoll loop opens connections (WebSocket or SSE), reads what arrives, finds every
 * message by its marker (marker.h) and keeps: latency against the time the message was due,
 * the latency of each message's last receiver, and per connection whether numbers were
 * missing or came out of order. Commands are lines on standard input, answers are JSON lines:
 *
 *     connect N W      open N more, at most W handshakes in flight  -> {"event":"connected",...}
 *     expect M         forget all figures; every reader is to get messages 0..M-1 in order
 *                      -> {"event":"watching"}, and when all have them {"event":"complete",...}
 *     watch            forget all figures; take whatever comes, first number is free
 *                      -> {"event":"watching"}
 *     stall N          N of the connections stop reading             -> {"event":"stalled",...}
 *     report           -> {"event":"report",...}
 *
 * End of input ends the process. Options: --port --path --protocol ws|sse --deflate
 * --source K (first of this sink's client addresses) --header "Name: value".
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "marker.h"

enum {
    MAX_CONNECTIONS = 20000,
    MAX_MESSAGES = 1 << 20,   /* numbers above are counted, but not followed one by one */
    PER_ADDRESS = 900,        /* connections from one client address: below usual limits per IP */
    SUB_BUCKETS = 128,        /* of each power of two: below 1 % error */
    BUCKETS = SUB_BUCKETS * 48,
    HEAD_MAX = 4096,
    READ_SIZE = 1 << 18,
    RETRY_NS = 100 * 1000 * 1000,
};

enum state { CONNECTING, HANDSHAKING, OPEN, STALLED };

struct connection {
    int fd;
    enum state state;
    char *reply;              /* the response head, while it arrives */
    size_t reply_size;
    uint8_t head[14];         /* of the frame being read */
    uint8_t head_size;
    uint64_t left;            /* bytes of this frame still to come */
    uint8_t control[125];
    uint8_t control_size;
    char mark[MARK_SIZE];     /* a marker split between two reads */
    uint8_t mark_size;
    int64_t next;             /* the number expected; -1: any */
    uint32_t received;
};

static struct {
    int port;
    const char *path, *header;
    bool sse, deflate;
    int source;
} options = {.path = "/", .header = ""};

static struct connection connections[MAX_CONNECTIONS];
static int used, opened, failed, lost, stalled, in_flight, to_start, wanted, window, retrying;
static int64_t connect_began, last_opened, retry_at;

static struct {
    int64_t expected, first, last, bytes, deliveries, missing, misordered;
    int finished;             /* connections that have everything expected */
    bool told;
    uint64_t histogram[BUCKETS];
} figures;
static uint32_t receivers[MAX_MESSAGES];
static int64_t slowest[MAX_MESSAGES];
static int64_t highest = -1;

static int epoll_fd;
static char request[2048];
static size_t request_size;
static char buffer[READ_SIZE];

static void die(const char *what)
{
    perror(what);
    exit(1);
}

/* ---- figures ---------------------------------------------------------------------------- */

/* Values below 2*SUB_BUCKETS have a bucket each; above, each power of two has SUB_BUCKETS. */
static int bucket_of(uint64_t us)
{
    int shift = us < 2 * SUB_BUCKETS ? 0 : 63 - __builtin_clzll(us) - 7;
    int bucket = shift * SUB_BUCKETS + (int)(us >> shift);
    return bucket < BUCKETS ? bucket : BUCKETS - 1;
}

static void forget(int64_t expected)
{
    if (highest >= 0) {
        memset(receivers, 0, sizeof *receivers * (size_t)(highest + 1));
        memset(slowest, 0, sizeof *slowest * (size_t)(highest + 1));
    }
    highest = -1;
    memset(&figures, 0, sizeof figures);
    figures.expected = expected;
    for (int i = 0; i < used; i++) {
        connections[i].next = expected ? 0 : -1;
        connections[i].received = 0;
    }
}

static void count(struct connection *c, int64_t now)
{
    if (!figures.deliveries++) figures.first = now;
    figures.last = now;
    if (++c->received == figures.expected) figures.finished++;
}

static void deliver(struct connection *c, int64_t due, int64_t number, int64_t now)
{
    if (c->next >= 0 && number != c->next) {
        if (number > c->next) figures.missing += number - c->next;
        else figures.misordered++;
    }
    if (number >= c->next) c->next = number + 1;
    int64_t us = now > due ? (now - due) / 1000 : 0;
    figures.histogram[bucket_of((uint64_t)us)]++;
    if (number < MAX_MESSAGES) {
        receivers[number]++;
        if (us > slowest[number]) slowest[number] = us;
        if (number > highest) highest = number;
    }
    count(c, now);
}

static void say_figures(const char *event)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
               + (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    printf("{\"event\":\"%s\",\"open\":%d,\"stalled\":%d,\"lost\":%d,\"finished\":%d,\"deliveries\":%ld,"
           "\"bytes\":%ld,\"missing\":%ld,\"misordered\":%ld,\"first_ns\":%ld,\"last_ns\":%ld,\"cpu\":%.6f,\"histogram\":[",
           event, opened, stalled, lost, figures.finished, figures.deliveries, figures.bytes, figures.missing,
           figures.misordered, figures.first, figures.last, cpu);
    const char *comma = "";
    for (int i = 0; i < BUCKETS; i++)
        if (figures.histogram[i]) {
            printf("%s[%d,%lu]", comma, i, figures.histogram[i]);
            comma = ",";
        }
    printf("],\"messages\":[");
    comma = "";
    for (int64_t n = 0; n <= highest; n++)
        if (receivers[n]) {
            printf("%s[%ld,%u,%ld]", comma, n, receivers[n], slowest[n]);
            comma = ",";
        }
    printf("]}\n");
}

/* ---- reading ---------------------------------------------------------------------------- */

/* Read the digits at `text`; false if one is something else. */
static bool number_at(const char *text, int digits, int64_t *value)
{
    *value = 0;
    for (int i = 0; i < digits; i++) {
        if (text[i] < '0' || text[i] > '9') return false;
        *value = *value * 10 + (text[i] - '0');
    }
    return true;
}

static void take_mark(struct connection *c, const char *mark, int64_t now)
{
    int64_t due, number;
    if (number_at(mark + 1, MARK_TIME, &due) && number_at(mark + 2 + MARK_TIME, MARK_NUMBER, &number))
        deliver(c, due, number, now);
}

/* Find every marker in payload bytes, also one split between two calls. */
static void scan(struct connection *c, const char *data, size_t size, int64_t now)
{
    if (c->mark_size) {
        size_t take = MARK_SIZE - c->mark_size;
        if (take > size) take = size;
        memcpy(c->mark + c->mark_size, data, take);
        c->mark_size += (uint8_t)take;
        if (c->mark_size < MARK_SIZE) return;
        take_mark(c, c->mark, now);
        c->mark_size = 0;
        data += take;
        size -= take;
    }
    const char *end = data + size, *mark;
    while (data < end && (mark = memchr(data, '@', (size_t)(end - data)))) {
        if (end - mark < MARK_SIZE) {
            c->mark_size = (uint8_t)(end - mark);
            memcpy(c->mark, mark, c->mark_size);
            return;
        }
        take_mark(c, mark, now);
        data = mark + MARK_SIZE;
    }
}

static void drop(struct connection *c)
{
    if (c->fd < 0) return;
    close(c->fd);
    c->fd = -1;
    free(c->reply);
    c->reply = NULL;
    if (c->state == CONNECTING || c->state == HANDSHAKING) {
        in_flight--;
        failed++;
        retrying++;
        if (!retry_at) retry_at = now_ns() + RETRY_NS;
        return;
    }
    if (c->state == STALLED) stalled--;
    else opened--;
    if (figures.expected && c->received >= figures.expected) figures.finished--;
    lost++;
}

static void pong(struct connection *c)
{
    uint8_t frame[6 + 125] = {0x8a, (uint8_t)(0x80 | c->control_size), 0, 0, 0, 0};
    memcpy(frame + 6, c->control, c->control_size);
    if (send(c->fd, frame, 6u + c->control_size, MSG_NOSIGNAL) < 0) drop(c);
}

/* How long the frame's head is, as far as its first bytes tell. */
static uint8_t head_length(const struct connection *c)
{
    if (c->head_size < 2) return 2;
    uint8_t length = c->head[1] & 0x7f;
    return length == 127 ? 10 : length == 126 ? 4 : 2;
}

static bool frame_begins(struct connection *c)
{
    uint8_t reserved = options.deflate ? 0x30 : 0x70; /* RSV1 marks a deflated message, RFC 7692 section 6 */
    if (c->head[1] & 0x80 || c->head[0] & reserved) return false;
    c->left = c->head[1] & 0x7f;
    if (c->left > 125) {
        c->left = 0;
        for (uint8_t i = 2; i < c->head_size; i++) c->left = c->left << 8 | c->head[i];
    }
    c->control_size = 0;
    return !(c->head[0] & 0x08) || c->left <= 125;
}

static bool frame_ends(struct connection *c, int64_t now)
{
    c->head_size = 0;
    switch (c->head[0] & 0x0f) {
    case 0x8: return false;
    case 0x9: pong(c); return c->fd >= 0;
    case 0xa: return true;
    }
    if (c->head[0] & 0x40) count(c, now); /* deflated: counted, not read */
    return true;
}

/* RFC 6455 section 5.2, from the server's side, wherever the reads cut it. */
static bool read_frames(struct connection *c, const char *data, size_t size, int64_t now)
{
    while (size) {
        if (c->head_size < head_length(c)) {
            c->head[c->head_size++] = (uint8_t)*data++;
            size--;
            if (c->head_size < 2 || c->head_size < head_length(c)) continue;
            if (!frame_begins(c)) return false;
        } else {
            size_t take = c->left < size ? (size_t)c->left : size;
            if (c->head[0] & 0x08) {
                memcpy(c->control + c->control_size, data, take);
                c->control_size += (uint8_t)take;
            } else if (!(c->head[0] & 0x40)) {
                scan(c, data, take, now);
            }
            c->left -= take;
            data += take;
            size -= take;
        }
        if (c->left == 0 && !frame_ends(c, now)) return false;
    }
    return true;
}

static bool accepted(const char *reply)
{
    if (options.sse) return !strncmp(reply, "HTTP/1.1 200", 12);
    if (strncmp(reply, "HTTP/1.1 101", 12) || !strstr(reply, WS_ACCEPT)) return false;
    return !options.deflate || strcasestr(reply, "permessage-deflate");
}

/* Collect the response head; what follows it in the same read is already payload. */
static bool read_reply(struct connection *c, const char **data, size_t *size)
{
    if (!c->reply && !(c->reply = malloc(HEAD_MAX + 1))) die("malloc");
    size_t before = c->reply_size, take = HEAD_MAX - before < *size ? HEAD_MAX - before : *size;
    memcpy(c->reply + before, *data, take);
    c->reply_size += take;
    c->reply[c->reply_size] = 0;
    char *end = strstr(c->reply, "\r\n\r\n");
    if (!end) {
        *size = 0;
        return c->reply_size < HEAD_MAX;
    }
    end[2] = 0;
    if (!accepted(c->reply)) return false;
    size_t used_here = (size_t)(end + 4 - c->reply) - before;
    *data += used_here;
    *size -= used_here;
    free(c->reply);
    c->reply = NULL;
    c->state = OPEN;
    c->next = figures.expected ? 0 : -1;
    in_flight--;
    opened++;
    last_opened = now_ns();
    return true;
}

static void readable(struct connection *c)
{
    ssize_t got = recv(c->fd, buffer, sizeof buffer, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) {
        drop(c);
        return;
    }
    int64_t now = now_ns();
    const char *data = buffer;
    size_t size = (size_t)got;
    if (c->state == HANDSHAKING && !read_reply(c, &data, &size)) {
        drop(c);
        return;
    }
    if (c->state != OPEN) return;
    figures.bytes += (int64_t)size;
    if (options.sse) scan(c, data, size, now);
    else if (!read_frames(c, data, size, now)) drop(c);
}

/* ---- opening ---------------------------------------------------------------------------- */

static void set_interest(struct connection *c, int operation, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = c};
    if (epoll_ctl(epoll_fd, operation, c->fd, &event)) die("epoll_ctl");
}

static struct sockaddr_in address(uint32_t host, int port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(host)};
}

static void start_one(void)
{
    struct connection *c = &connections[0];
    if (used < MAX_CONNECTIONS) c = &connections[used++];
    else while (c < connections + MAX_CONNECTIONS - 1 && c->fd >= 0) c++;
    int slot = (int)(c - connections), on = 1;
    *c = (struct connection){.state = CONNECTING, .next = -1};
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (c->fd < 0) die("socket");
    setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    uint32_t host = (uint32_t)(options.source + slot / PER_ADDRESS);
    struct sockaddr_in from = address(0x7f000000u + (host / 250 << 8) + host % 250 + 2, 0);
    struct sockaddr_in to = address(INADDR_LOOPBACK, options.port);
    if (bind(c->fd, (struct sockaddr *)&from, sizeof from)) die("bind");
    in_flight++;
    if (connect(c->fd, (struct sockaddr *)&to, sizeof to) && errno != EINPROGRESS) drop(c);
    else set_interest(c, EPOLL_CTL_ADD, EPOLLOUT);
}

static void writable(struct connection *c)
{
    if (send(c->fd, request, request_size, MSG_NOSIGNAL) != (ssize_t)request_size) {
        drop(c);
        return;
    }
    c->state = HANDSHAKING;
    set_interest(c, EPOLL_CTL_MOD, EPOLLIN);
}

/* Keep the wanted number of handshakes going; refused ones try again after a pause. */
static void open_more(void)
{
    if (retry_at && now_ns() >= retry_at) {
        to_start += retrying;
        retrying = 0;
        retry_at = 0;
    }
    for (; to_start && in_flight < window; to_start--) start_one();
    if (!wanted || to_start || in_flight || retrying) return;
    printf("{\"event\":\"connected\",\"opened\":%d,\"refused\":%d,\"seconds\":%.6f,\"open\":%d}\n",
           wanted, failed, (double)(last_opened - connect_began) / 1e9, opened);
    wanted = failed = 0;
}

/* ---- commands --------------------------------------------------------------------------- */

static void stall(int number)
{
    for (int i = 0; i < used && number > 0; i++) {
        struct connection *c = &connections[i];
        if (c->fd < 0 || c->state != OPEN) continue;
        set_interest(c, EPOLL_CTL_DEL, 0);
        c->state = STALLED;
        opened--;
        stalled++;
        number--;
    }
    printf("{\"event\":\"stalled\",\"stalled\":%d}\n", stalled);
}

static void obey(const char *line)
{
    long first = 0, second = 0;
    if (sscanf(line, "connect %ld %ld", &first, &second) == 2) {
        to_start = wanted = (int)first;
        window = (int)second;
        connect_began = now_ns();
    } else if (sscanf(line, "expect %ld", &first) == 1 || !strcmp(line, "watch")) {
        forget(first);
        printf("{\"event\":\"watching\"}\n");
    } else if (sscanf(line, "stall %ld", &first) == 1) {
        stall((int)first);
    } else if (!strcmp(line, "report")) {
        say_figures("report");
    } else {
        printf("{\"event\":\"error\",\"reason\":\"unknown command\"}\n");
    }
}

static void read_commands(void)
{
    static char line[256];
    static size_t size;
    ssize_t got = read(0, line + size, sizeof line - 1 - size);
    if (got <= 0) exit(0);
    size += (size_t)got;
    char *end;
    while ((end = memchr(line, '\n', size))) {
        *end++ = 0;
        obey(line);
        size -= (size_t)(end - line);
        memmove(line, end, size);
    }
}

static void read_options(int argc, char **argv)
{
    static const struct option known[] = {
        {"port", required_argument, 0, 'p'},     {"path", required_argument, 0, 'u'},
        {"protocol", required_argument, 0, 't'}, {"header", required_argument, 0, 'h'},
        {"deflate", no_argument, 0, 'z'},        {"source", required_argument, 0, 's'},
        {0, 0, 0, 0},
    };
    for (int name; (name = getopt_long(argc, argv, "", known, NULL)) != -1;) switch (name) {
        case 'p': options.port = atoi(optarg); break;
        case 'u': options.path = optarg; break;
        case 't': options.sse = !strcmp(optarg, "sse"); break;
        case 'h': options.header = optarg; break;
        case 'z': options.deflate = true; break;
        case 's': options.source = atoi(optarg); break;
        default: exit(2);
    }
    const char *upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                          "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " WS_KEY "\r\n";
    const char *extension = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";
    request_size = (size_t)snprintf(
        request, sizeof request, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s%s%s%s\r\n", options.path,
        options.port, options.sse ? "Accept: text/event-stream\r\n" : upgrade, options.deflate ? extension : "",
        options.header, *options.header ? "\r\n" : "");
    if (request_size >= sizeof request) exit(2);
}

int main(int argc, char **argv)
{
    read_options(argc, argv);
    setvbuf(stdout, NULL, _IOFBF, 1 << 16);
    epoll_fd = epoll_create1(0);
    struct epoll_event events[1024], input = {.events = EPOLLIN, .data.ptr = NULL};
    if (epoll_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, 0, &input)) die("epoll");
    for (;;) {
        int ready = epoll_wait(epoll_fd, events, 1024, wanted ? 20 : -1);
        if (ready < 0 && errno != EINTR) die("epoll_wait");
        for (int i = 0; i < ready; i++) {
            struct connection *c = events[i].data.ptr;
            if (!c) read_commands();
            else if (c->fd < 0) continue;
            else if (c->state == CONNECTING) writable(c);
            else readable(c);
        }
        open_more();
        if (figures.expected && !figures.told && !wanted && figures.finished >= opened && opened) {
            figures.told = true;
            say_figures("complete");
        }
        fflush(stdout);
    }
}
