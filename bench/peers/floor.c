/* The floor: what the kernel alone asks for a fan-out. No server can be cheaper.
 *
 * Accepts connections, answers each request with a constant 101, and on "publish" does
 * nothing but one send() per client and burst, its frames joined. See ../marker.h for the
 * payload and contract.py for the commands every peer understands.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../marker.h"

enum { MAX_CLIENTS = 20000, LEAD_NS = 50 * 1000 * 1000 };

static const char RESPONSE[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                               "Sec-WebSocket-Accept: " WS_ACCEPT "\r\n\r\n";
static int clients[MAX_CLIENTS], number_of_clients, listener, epoll_fd;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void watch(int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event)) die("epoll_ctl");
}

static void accept_all(void)
{
    for (int fd, on = 1; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0; watch(fd))
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

/* The sink sends its request in one piece, so the first read has it whole. */
static void shake_hands(int fd)
{
    char request[2048];
    epoll_ctl(epoll_fd, EPOLL_CTL_DEL, fd, NULL);
    if (recv(fd, request, sizeof request, 0) <= 0 || number_of_clients == MAX_CLIENTS
        || send(fd, RESPONSE, sizeof RESPONSE - 1, MSG_NOSIGNAL) < 0) {
        close(fd);
        return;
    }
    clients[number_of_clients++] = fd;
}

/* One unmasked text frame, RFC 6455 section 5.2. */
static size_t put_frame(char *out, int64_t due, long number, size_t size)
{
    size_t head = size < 126 ? 2 : size < 65536 ? 4 : 10;
    out[0] = (char)0x81;
    out[1] = (char)(head == 2 ? size : head == 4 ? 126 : 127);
    for (size_t i = 2; i < head; i++) out[i] = (char)(size >> 8 * (head - 1 - i));
    memset(out + head, 'x', size);
    char mark[64];
    snprintf(mark, sizeof mark, "@%0*ld %0*ld ", MARK_TIME, due, MARK_NUMBER, number);
    memcpy(out + head, mark, MARK_SIZE + 1);
    return head + size;
}

static void send_all(int fd, const char *data, size_t size)
{
    while (size) {
        ssize_t sent = send(fd, data, size, MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN) {
            poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1);
            continue;
        }
        if (sent < 0) return;
        data += sent;
        size -= (size_t)sent;
    }
}

static void publish(long messages, size_t size, long burst, double rate)
{
    if (size < MARK_SIZE + 1) size = MARK_SIZE + 1;
    char *frames = malloc((size_t)burst * (size + 10));
    if (!frames) die("malloc");
    int64_t start = now_ns() + LEAD_NS, late = 0;
    for (long number = 0; number < messages;) {
        int64_t due = start + (int64_t)((double)number / rate * 1e9);
        struct timespec until = {due / 1000000000, due % 1000000000};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
        if (now_ns() - due > late) late = now_ns() - due;
        size_t total = 0;
        for (long end = number + burst; number < messages && number < end; number++)
            total += put_frame(frames + total, due, number, size);
        for (int i = 0; i < number_of_clients; i++) send_all(clients[i], frames, total);
    }
    free(frames);
    printf("{\"event\":\"published\",\"messages\":%ld,\"late\":%.6f}\n", messages, (double)late / 1e9);
}

static void read_command(void)
{
    char line[256];
    long messages, size, burst;
    double rate;
    if (!fgets(line, sizeof line, stdin)) exit(0);
    if (sscanf(line, "publish %ld %ld %ld %lf", &messages, &size, &burst, &rate) == 4)
        publish(messages, (size_t)size, burst, rate);
}

int main(void)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof here;
    setvbuf(stdin, NULL, _IONBF, 0);
    setvbuf(stdout, NULL, _IOLBF, 0);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&here, sizeof here) || listen(listener, 4096)
        || getsockname(listener, (struct sockaddr *)&here, &length))
        die("listen");
    epoll_fd = epoll_create1(0);
    if (epoll_fd < 0) die("epoll");
    watch(listener);
    watch(0);
    printf("{\"event\":\"ready\",\"port\":%d,\"pids\":[%d],\"version\":\"C\"}\n", ntohs(here.sin_port), getpid());
    for (struct epoll_event events[1024];;) {
        int ready = epoll_wait(epoll_fd, events, 1024, -1);
        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            if (fd == 0) read_command();
            else if (fd == listener) accept_all();
            else shake_hands(fd);
        }
    }
}
