/* A registry's clients and floors, as lean as they can be: what is measured is the server.
 *
 *   registry push  PORT CLIENTS IMAGES BYTES PREFIX   small images of one layer, by several connections
 *   registry many  PORT CLIENTS IMAGES REPOSITORY     images of the same layer, t000000 and on, each of its own digest
 *   registry put   PORT CLIENTS FILE REPOSITORY       the file as a blob, by each connection under a digest of its own
 *   registry get   PORT PATH                          reads an answer to its end
 *   registry rate  PORT CLIENTS SECONDS METHOD PATH   the same request over and over by each of several connections
 *   registry floor FILE TARGET                        hashes the file and writes it: what any PUT has to do
 *
 * Prints the seconds that it took; `rate` prints requests a second and the 99th percentile in milliseconds. 127.0.0.1, HTTP/1.1, kept alive. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static int port, clients, count, bytes;
static const char *file, *name;

static void fail(const char *what) {
  fprintf(stderr, "registry: %s: %s\n", what, strerror(errno));
  exit(1);
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static int dial(void) {
  int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (s < 0 || connect(s, (void *)&a, sizeof a) != 0) fail("connect");
  setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return s;
}

static void send_all(int s, const void *data, size_t size) {
  for (const char *p = data; size > 0;) {
    ssize_t n = send(s, p, size, MSG_NOSIGNAL);
    if (n <= 0) fail("send");
    p += n, size -= n;
  }
}

static void digest_text(EVP_MD_CTX *c, char text[80]) {
  unsigned char hash[32];
  EVP_DigestFinal_ex(c, hash, NULL);
  strcpy(text, "sha256:");
  for (int i = 0; i < 32; i++) sprintf(text + 7 + 2 * i, "%02x", hash[i]);
}

static void digest(const void *data, size_t size, char text[80]) {
  EVP_MD_CTX *c = EVP_MD_CTX_new();
  EVP_DigestInit_ex(c, EVP_sha256(), NULL);
  EVP_DigestUpdate(c, data, size);
  digest_text(c, text);
  EVP_MD_CTX_free(c);
}

/* Reads one answer and throws its body away; one to HEAD has none. Returns the status; the Location goes to `location` where it is given. */
static int answer(int s, int has_body, char *location, long *received) {
  static __thread char buffer[1 << 16];
  size_t have = 0;
  char *end = NULL;
  while (!end) {
    ssize_t n = recv(s, buffer + have, sizeof buffer - 1 - have, 0);
    if (n <= 0) fail("receive");
    have += n;
    buffer[have] = 0;
    end = strstr(buffer, "\r\n\r\n");
  }
  int status = atoi(buffer + 9);
  long length = 0;
  char *field = strcasestr(buffer, "\ncontent-length:");
  if (field && field < end) length = atol(field + 16);
  field = strcasestr(buffer, "\nlocation:");
  if (location && field && field < end) {
    field += 10 + strspn(field + 10, " ");
    size_t size = strcspn(field, "\r\n");
    memcpy(location, field, size);
    location[size] = 0;
  }
  if (received) *received = length;
  if (!has_body) return status;
  long rest = length - (long)(have - (end + 4 - buffer));
  while (rest > 0) {
    ssize_t n = recv(s, buffer, rest < (long)sizeof buffer ? (size_t)rest : sizeof buffer, MSG_TRUNC);
    if (n <= 0) fail("receive a body");
    rest -= n;
  }
  return status;
}

static int request(int s, const char *method, const char *path, const char *type, const void *body, size_t size,
                   char *location) {
  char head[2048];
  int n = snprintf(head, sizeof head,
                   "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Length: %zu\r\n%s%s%s\r\n", method, path, port, size,
                   type ? "Content-Type: " : "", type ? type : "", type ? "\r\n" : "");
  send_all(s, head, n);
  if (size) send_all(s, body, size);
  return answer(s, strcmp(method, "HEAD"), location, NULL);
}

/* Without the scheme and the host that some servers put before it. */
static const char *path_of(const char *location) {
  const char *host = strstr(location, "://");
  return host ? strchr(host + 3, '/') : location;
}

/* As docker does: is it there, an upload, its bytes, its end. */
static void push_blob(int s, const char *repository, const void *data, size_t size, const char *digest) {
  char path[512], location[1536];
  snprintf(path, sizeof path, "/v2/%s/blobs/%s", repository, digest);
  if (request(s, "HEAD", path, NULL, NULL, 0, NULL) == 200) return;
  snprintf(path, sizeof path, "/v2/%s/blobs/uploads/", repository);
  if (request(s, "POST", path, NULL, NULL, 0, location) != 202) fail("POST");
  char end[2048];
  const char *upload = path_of(location);
  snprintf(end, sizeof end, "%s%cdigest=%s", upload, strchr(upload, '?') ? '&' : '?', digest);
  if (request(s, "PUT", end, "application/octet-stream", data, size, NULL) != 201) fail("PUT of a blob");
}

static void fill(char *data, size_t size, unsigned long long seed) {
  for (size_t i = 0; i + 8 <= size; i += 8) {
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
    memcpy(data + i, &seed, 8);
  }
}

static void *push_images(void *argument) {
  long self = (long)argument;
  int s = dial();
  char *layer = malloc(bytes);
  for (int i = self; i < count; i += clients) {
    char repository[128], config[256], manifest[1024], path[256], config_digest[80], layer_digest[80];
    snprintf(repository, sizeof repository, "%s/%d", name, i % 50);
    fill(layer, bytes, 0x9e3779b97f4a7c15ull * (i + 1));
    int n = snprintf(config, sizeof config,
                     "{\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":{},\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]},"
                     "\"author\":\"%s %d\"}", name, i);
    digest(config, n, config_digest);
    digest(layer, bytes, layer_digest);
    push_blob(s, repository, layer, bytes, layer_digest);
    push_blob(s, repository, config, n, config_digest);
    int m = snprintf(manifest, sizeof manifest,
                     "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.docker.distribution.manifest.v2+json\","
                     "\"config\":{\"mediaType\":\"application/vnd.docker.container.image.v1+json\",\"digest\":\"%s\",\"size\":%d},"
                     "\"layers\":[{\"mediaType\":\"application/vnd.docker.image.rootfs.diff.tar.gzip\",\"digest\":\"%s\","
                     "\"size\":%d}]}", config_digest, n, layer_digest, bytes);
    snprintf(path, sizeof path, "/v2/%s/manifests/v%d", repository, i);
    if (request(s, "PUT", path, "application/vnd.docker.distribution.manifest.v2+json", manifest, m, NULL) != 201)
      fail("PUT of a manifest");
  }
  return NULL;
}

static void *push_many(void *argument) {
  long self = (long)argument;
  int s = dial();
  const char *layer = "the layer of all";
  char config[] = "{\"architecture\":\"amd64\",\"os\":\"linux\",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]}}";
  char manifest[1024], path[256], config_digest[80], layer_digest[80];
  digest(config, strlen(config), config_digest);
  digest(layer, strlen(layer), layer_digest);
  push_blob(s, name, layer, strlen(layer), layer_digest);
  push_blob(s, name, config, strlen(config), config_digest);
  for (int i = self; i < count; i += clients) {
    int m = snprintf(manifest, sizeof manifest,
                     "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\","
                     "\"config\":{\"mediaType\":\"application/vnd.oci.image.config.v1+json\",\"digest\":\"%s\",\"size\":%zu},"
                     "\"layers\":[{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar\",\"digest\":\"%s\",\"size\":%zu}],"
                     "\"annotations\":{\"number\":\"%d\"}}", config_digest, strlen(config), layer_digest, strlen(layer), i);
    snprintf(path, sizeof path, "/v2/%s/manifests/t%06d", name, i);
    if (request(s, "PUT", path, "application/vnd.oci.image.manifest.v1+json", manifest, m, NULL) != 201)
      fail("PUT of a manifest");
  }
  return NULL;
}

static char (*digests)[80];
static off_t size_of_file;

/* The file after a line that is each client's own. */
static void *digest_file(void *argument) {
  long self = (long)argument;
  char line[32], *buffer = malloc(1 << 20);
  int f = open(file, O_RDONLY);
  ssize_t n;
  EVP_MD_CTX *c = EVP_MD_CTX_new();
  EVP_DigestInit_ex(c, EVP_sha256(), NULL);
  EVP_DigestUpdate(c, line, snprintf(line, sizeof line, "%08ld\n", self));
  while ((n = read(f, buffer, 1 << 20)) > 0) EVP_DigestUpdate(c, buffer, n);
  digest_text(c, digests[self]);
  close(f);
  return NULL;
}

static void *put_file(void *argument) {
  long self = (long)argument;
  int s = dial(), f = open(file, O_RDONLY);
  char path[512], location[1536], head[2048], line[32];
  snprintf(path, sizeof path, "/v2/%s/blobs/uploads/", name);
  if (request(s, "POST", path, NULL, NULL, 0, location) != 202) fail("POST");
  const char *upload = path_of(location);
  int first = snprintf(line, sizeof line, "%08ld\n", self);
  int n = snprintf(head, sizeof head,
                   "PUT %s%cdigest=%s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Length: %lld\r\n"
                   "Content-Type: application/octet-stream\r\n\r\n", upload, strchr(upload, '?') ? '&' : '?',
                   digests[self], port, (long long)size_of_file + first);
  send_all(s, head, n);
  send_all(s, line, first);
  for (off_t offset = 0; offset < size_of_file;)
    if (sendfile(s, f, &offset, size_of_file - offset) <= 0) fail("sendfile");
  if (answer(s, 1, NULL, NULL) != 201) fail("PUT of a file");
  close(f);
  return NULL;
}

static void all(void *(*work)(void *)) {
  pthread_t threads[64];
  for (long i = 0; i < clients; i++) pthread_create(&threads[i], NULL, work, (void *)i);
  for (int i = 0; i < clients; i++) pthread_join(threads[i], NULL);
}

struct connection {
  int socket;
  double sent;
  size_t have;
  long rest; /* of the body; -1 while the head comes */
  char head[8192];
};

static char asked[2048];
static int asked_size, is_head;
static float *latencies;
static long answers, room;

static void ask(struct connection *c) {
  c->have = 0, c->rest = -1, c->sent = now();
  send_all(c->socket, asked, asked_size);
}

static int compare(const void *a, const void *b) { return (*(float *)a > *(float *)b) - (*(float *)a < *(float *)b); }

/* Takes what has come; true once the answer is whole. */
static int take(struct connection *c) {
  static char scratch[1 << 16];
  if (c->rest < 0) {
    ssize_t n = recv(c->socket, c->head + c->have, sizeof c->head - 1 - c->have, 0);
    if (n <= 0) fail("receive");
    c->have += n;
    c->head[c->have] = 0;
    char *end = strstr(c->head, "\r\n\r\n");
    if (!end) return 0;
    if (atoi(c->head + 9) != 200) errno = EPROTO, fail(c->head);
    char *field = strcasestr(c->head, "\ncontent-length:");
    c->rest = is_head || !field ? 0 : atol(field + 16) - (long)(c->have - (end + 4 - c->head));
  } else {
    ssize_t n = recv(c->socket, scratch, sizeof scratch, 0);
    if (n <= 0) fail("receive a body");
    c->rest -= n;
  }
  return c->rest == 0;
}

static void rate(double seconds, const char *method, const char *path) {
  asked_size = snprintf(asked, sizeof asked,
                        "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
                        "Accept: application/vnd.docker.distribution.manifest.v2+json\r\n\r\n", method, path, port);
  is_head = !strcmp(method, "HEAD");
  room = 1 << 22;
  latencies = malloc(room * sizeof *latencies);
  struct connection *connections = calloc(clients, sizeof *connections);
  int poll = epoll_create1(0);
  double start = now(), end = start + seconds;
  for (int i = 0; i < clients; i++) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &connections[i]};
    connections[i].socket = dial();
    epoll_ctl(poll, EPOLL_CTL_ADD, connections[i].socket, &event);
    ask(&connections[i]);
  }
  while (now() < end) {
    struct epoll_event events[64];
    int n = epoll_wait(poll, events, 64, 1000);
    for (int i = 0; i < n; i++) {
      struct connection *c = events[i].data.ptr;
      if (!take(c)) continue;
      if (answers < room) latencies[answers] = (now() - c->sent) * 1000;
      answers++;
      ask(c);
    }
  }
  double took = now() - start;
  long seen = answers < room ? answers : room;
  qsort(latencies, seen, sizeof *latencies, compare);
  printf("%.1f %.3f\n", answers / took, seen ? latencies[seen * 99 / 100] : 0);
  exit(0);
}

static void floor_write(const char *source, const char *target) {
  int in = open(source, O_RDONLY), out = open(target, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (in < 0 || out < 0) fail("open");
  char *buffer = malloc(256 << 10), text[80];
  ssize_t n;
  EVP_MD_CTX *c = EVP_MD_CTX_new();
  EVP_DigestInit_ex(c, EVP_sha256(), NULL);
  while ((n = read(in, buffer, 256 << 10)) > 0) {
    EVP_DigestUpdate(c, buffer, n);
    if (write(out, buffer, n) != n) fail("write");
  }
  digest_text(c, text);
  if (fdatasync(out) != 0) fail("fdatasync");
}

int main(int argc, char **argv) {
  const char *what = argc > 1 ? argv[1] : "";
  double start = 0;
  if (!strcmp(what, "push") && argc == 7) {
    port = atoi(argv[2]), clients = atoi(argv[3]), count = atoi(argv[4]), bytes = atoi(argv[5]), name = argv[6];
    start = now();
    all(push_images);
  } else if (!strcmp(what, "many") && argc == 6) {
    port = atoi(argv[2]), clients = atoi(argv[3]), count = atoi(argv[4]), name = argv[5];
    start = now();
    all(push_many);
  } else if (!strcmp(what, "put") && argc == 6) {
    port = atoi(argv[2]), clients = atoi(argv[3]), file = argv[4], name = argv[5];
    struct stat status;
    if (stat(file, &status) != 0) fail(file);
    size_of_file = status.st_size;
    digests = calloc(clients, sizeof *digests);
    all(digest_file);
    start = now();
    all(put_file);
  } else if (!strcmp(what, "get") && argc == 4) {
    port = atoi(argv[2]);
    start = now();
    int s = dial();
    char head[1024];
    send_all(s, head, snprintf(head, sizeof head, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n", argv[3], port));
    long received = 0;
    if (answer(s, 1, NULL, &received) != 200 || received == 0) fail("GET");
  } else if (!strcmp(what, "rate") && argc == 7) {
    port = atoi(argv[2]), clients = atoi(argv[3]);
    rate(atof(argv[4]), argv[5], argv[6]);
  } else if (!strcmp(what, "floor") && argc == 4) {
    start = now();
    floor_write(argv[2], argv[3]);
  } else {
    fprintf(stderr, "usage: see the head of bench/registry.c\n");
    return 2;
  }
  printf("%.6f\n", now() - start);
  return 0;
}
