// A small web service: GET / greets and says which replica answered, GET /healthz is for probes.
// One thread, poll(2), bounded memory, closes every connection after its answer, ends at SIGTERM once answers are out.
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { clients_max = 64, request_max = 8192, seconds_max = 10 };

struct client {
  int fd;
  time_t since;
  size_t length;  // bytes of the request so far
  char request[request_max];
  size_t answered, total;  // of the answer; total is 0 while the request is read
  char answer[1024];
};

static struct client clients[clients_max];
static size_t count;
static char name[256] = "nobody";
static const char *greeting = "hello";

static void answer(struct client *c, const char *status, const char *body) {
  int length = snprintf(c->answer, sizeof c->answer,
                        "HTTP/1.1 %s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %zu\r\n"
                        "Connection: close\r\n\r\n%s",
                        status, strlen(body), body);
  c->total = length < 0 ? 0 : (size_t)length < sizeof c->answer ? (size_t)length : sizeof c->answer - 1;
  c->answered = 0;
}

static int is_path(const char *target, const char *path) {
  size_t length = strcspn(target, "? \r\n");
  return length == strlen(path) && memcmp(target, path, length) == 0;
}

static void handle(struct client *c) {
  char body[512];
  if (strncmp(c->request, "GET ", 4) != 0) return answer(c, "405 Method Not Allowed", "only GET is answered\n");
  const char *target = c->request + 4;
  if (is_path(target, "/healthz")) return answer(c, "200 OK", "ok\n");
  if (!is_path(target, "/")) return answer(c, "404 Not Found", "nothing is here\n");
  snprintf(body, sizeof body, "%.200s from %s\n", greeting, name);
  answer(c, "200 OK", body);
  printf("GET / answered by %s\n", name);
}

// Returns 0 when the connection is done with.
static int serve(struct client *c) {
  if (c->total == 0) {
    ssize_t n = recv(c->fd, c->request + c->length, request_max - 1 - c->length, 0);
    if (n < 0) return errno == EAGAIN || errno == EINTR;
    if (n == 0) return 0;
    c->length += (size_t)n;
    c->request[c->length] = 0;
    if (strstr(c->request, "\r\n\r\n") || strstr(c->request, "\n\n"))
      handle(c);
    else if (c->length == request_max - 1)
      answer(c, "431 Request Header Fields Too Large", "the request is too large\n");
    else
      return 1;
  }
  while (c->answered < c->total) {
    ssize_t n = send(c->fd, c->answer + c->answered, c->total - c->answered, MSG_NOSIGNAL);
    if (n < 0) return errno == EAGAIN || errno == EINTR;
    c->answered += (size_t)n;
  }
  shutdown(c->fd, SHUT_WR);
  return 0;
}

static void drop(size_t i) {
  close(clients[i].fd);
  clients[i] = clients[--count];
}

int main(void) {
  const char *port = getenv("PORT");
  if (getenv("GREETING")) greeting = getenv("GREETING");
  gethostname(name, sizeof name - 1);
  setvbuf(stdout, NULL, _IOLBF, 0);

  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigprocmask(SIG_BLOCK, &signals, NULL);
  int stop = signalfd(-1, &signals, SFD_CLOEXEC);

  int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  int on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)(port ? atoi(port) : 8080))};
  if (stop < 0 || listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 128)) {
    perror("cannot listen");
    return 1;
  }
  printf("%s listens on port %d\n", name, ntohs(address.sin_port));

  int stopping = 0;
  while (!stopping || count > 0) {
    struct pollfd polls[clients_max + 2];
    polls[0] = (struct pollfd){.fd = stopping ? -1 : stop, .events = POLLIN};
    polls[1] = (struct pollfd){.fd = stopping || count == clients_max ? -1 : listener, .events = POLLIN};
    size_t polled = count;
    for (size_t i = 0; i < polled; i++)
      polls[i + 2] = (struct pollfd){.fd = clients[i].fd, .events = clients[i].total ? POLLOUT : POLLIN};
    if (poll(polls, polled + 2, 1000) < 0 && errno != EINTR) return 1;

    time_t now = time(NULL);
    // From the last to the first, as dropping one moves the last into its place.
    for (size_t i = polled; i-- > 0;) {
      if (polls[i + 2].revents && !serve(&clients[i]))
        drop(i);
      else if (now - clients[i].since > seconds_max)
        drop(i);
    }
    if (polls[0].revents) {
      printf("%s stops\n", name);
      stopping = 1;
      close(listener);
    } else if (polls[1].revents) {
      int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
      if (fd >= 0) {
        clients[count] = (struct client){.fd = fd, .since = now};
        count++;
      }
    }
  }
  return 0;
}
