/* SPDX-License-Identifier: Apache-2.0 */
#include "support/fault.h"

#include <errno.h>
#include <execinfo.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One live block. The pointer is kept inverted, so that LeakSanitizer does not take this table for an
 * owner and still names the place where a leaked block was allocated. */
struct fault_block {
    uintptr_t key;
    size_t bytes;
    uint64_t serial; /* the how-manieth allocation of all */
};
#define KEY(p) (~(uintptr_t)(p))
#define EMPTY ((uintptr_t)0)
#define GONE ((uintptr_t)1)

const struct fault_kind FAULT_NO_MEMORY = {.name = "ENOMEM", .error = ENOMEM};

#define ERROR(e) {.name = #e, .error = e}
#define SHORT(k) {.name = "short" #k, .bytes = k}

static const struct fault_kind alloc_kinds[] = {ERROR(ENOMEM)};
static const struct fault_kind open_kinds[] = {ERROR(EMFILE), ERROR(ENOBUFS)};
static const struct fault_kind connect_kinds[] = {ERROR(EINTR),     ERROR(EAGAIN),  ERROR(ECONNREFUSED),
                                                  ERROR(ETIMEDOUT), ERROR(ENOBUFS), ERROR(ENETUNREACH)};
static const struct fault_kind connect_error_kinds[] = {ERROR(ECONNREFUSED), ERROR(ETIMEDOUT),
                                                        ERROR(ECONNRESET)};
static const struct fault_kind option_kinds[] = {ERROR(ENOBUFS)};
static const struct fault_kind recv_kinds[] = {
    SHORT(1),          SHORT(2),     SHORT(5),         ERROR(EINTR),   ERROR(EAGAIN),
    ERROR(ECONNRESET), ERROR(EPIPE), ERROR(ETIMEDOUT), ERROR(ENOBUFS), {.name = "end", .end = true}};
static const struct fault_kind send_kinds[] = {SHORT(1),          SHORT(2),     SHORT(5),
                                               ERROR(EINTR),      ERROR(EAGAIN), ERROR(ECONNRESET),
                                               ERROR(EPIPE),      ERROR(ETIMEDOUT), ERROR(ENOBUFS)};
static const struct fault_kind entropy_kinds[] = {ERROR(EIO)};

static const struct {
    const char *name;
    const struct fault_kind *kinds;
    size_t n;
} classes[FAULT_CLASSES] = {
#define CLASS(name, kinds) {name, kinds, sizeof(kinds) / sizeof(kinds)[0]}
    [FAULT_ALLOC] = CLASS("alloc", alloc_kinds),
    [FAULT_OPEN] = CLASS("open", open_kinds),
    [FAULT_CONNECT] = CLASS("connect", connect_kinds),
    [FAULT_CONNECT_ERROR] = CLASS("connect_error", connect_error_kinds),
    [FAULT_SET_OPTION] = CLASS("set_option", option_kinds),
    [FAULT_RECV] = CLASS("recv", recv_kinds),
    [FAULT_SEND] = CLASS("send", send_kinds),
    [FAULT_ENTROPY] = CLASS("entropy", entropy_kinds),
};

const struct fault_kind *fault_kinds(enum fault_class c, size_t *n)
{
    *n = classes[c].n;
    return classes[c].kinds;
}

const char *fault_class_name(enum fault_class c)
{
    return c < FAULT_CLASSES ? classes[c].name : "none";
}

/* Counts a call; true: it is to fail. */
static bool due(struct fault *f, enum fault_class c)
{
    uint64_t n = ++f->calls[c];
    if (!f->on || f->armed != c || n < f->at || (f->mode == FAULT_ONCE && n > f->at))
        return false;
    if (f->fired++ == 0)
        f->depth = backtrace(f->where, (int)(sizeof f->where / sizeof f->where[0]));
    return true;
}

/* --- the allocator ------------------------------------------------------------------------------- */

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "fault: %s\n", what);
    abort();
}

static size_t slot_of(const struct fault *f, uintptr_t key)
{
    return (size_t)((key >> 4) * UINT64_C(0x9e3779b97f4a7c15)) & (f->cap - 1);
}

static struct fault_block *find(const struct fault *f, const void *p)
{
    uintptr_t key = KEY(p);
    for (size_t i = slot_of(f, key); f->table[i].key != EMPTY; i = (i + 1) & (f->cap - 1))
        if (f->table[i].key == key)
            return &f->table[i];
    return NULL;
}

static void insert(struct fault *f, struct fault_block b)
{
    size_t i = slot_of(f, b.key);
    while (f->table[i].key > GONE)
        i = (i + 1) & (f->cap - 1);
    f->table[i] = b;
}

/* Keeps the table sparse; `used` blocks are live. */
static void make_room(struct fault *f)
{
    if ((f->serial & 1023) != 0 && (f->live + 1) * 2 < f->cap)
        return; /* once in 1024 allocations also sweep what is GONE */
    struct fault_block *old = f->table;
    size_t cap = f->cap;
    while (f->cap < (f->live + 1024) * 4)
        f->cap *= 2;
    f->table = calloc(f->cap, sizeof *f->table);
    must(f->table != NULL, "no memory for the table of live blocks");
    for (size_t i = 0; i < cap; i++)
        if (old[i].key > GONE)
            insert(f, old[i]);
    free(old);
}

static void *take(struct fault *f, size_t bytes)
{
    make_room(f);
    void *p = malloc(bytes > 0 ? bytes : 1);
    must(p != NULL, "the test machine is out of memory");
    memset(p, 0xa5, bytes);
    insert(f, (struct fault_block){.key = KEY(p), .bytes = bytes, .serial = f->serial});
    f->serial++;
    f->live++;
    f->live_bytes += bytes;
    f->total_allocs++;
    f->total_bytes += bytes;
    if (f->live_bytes > f->peak_bytes)
        f->peak_bytes = f->live_bytes;
    return p;
}

static void give(struct fault *f, void *p)
{
    struct fault_block *b = find(f, p);
    if (b == NULL)
        fault_explain(f, stderr);
    must(b != NULL, "released a block that is not live: freed twice, or not from this allocator");
    if (f->canary != NULL && memmem(p, b->bytes, f->canary, strlen(f->canary)) != NULL)
        f->canary_hits++;
    memset(p, 0xdd, b->bytes);
    f->live--;
    f->live_bytes -= b->bytes;
    b->key = GONE;
    free(p);
}

static void *mem_alloc(void *ctx, size_t bytes)
{
    struct fault *f = ctx;
    pthread_mutex_lock(&f->lock);
    void *p = due(f, FAULT_ALLOC) ? NULL : take(f, bytes);
    pthread_mutex_unlock(&f->lock);
    return p;
}

static void *mem_resize(void *ctx, void *old, size_t bytes)
{
    struct fault *f = ctx;
    void *p = NULL;
    pthread_mutex_lock(&f->lock);
    if (!due(f, FAULT_ALLOC)) {
        p = take(f, bytes);
        if (old != NULL) {
            struct fault_block *b = find(f, old);
            must(b != NULL, "resized a block that is not live");
            memcpy(p, old, b->bytes < bytes ? b->bytes : bytes);
            give(f, old);
        }
    }
    pthread_mutex_unlock(&f->lock);
    return p;
}

static void mem_release(void *ctx, void *p)
{
    struct fault *f = ctx;
    if (p == NULL)
        return;
    pthread_mutex_lock(&f->lock);
    give(f, p);
    pthread_mutex_unlock(&f->lock);
}

/* --- the operating system ------------------------------------------------------------------------ */

/* -1 and errno if the call is to fail. */
static bool fails(struct fault *f, enum fault_class c)
{
    if (!due(f, c))
        return false;
    errno = f->kind.error;
    return true;
}

static int sys_open(void *ctx, int family, int type)
{
    struct fault *f = ctx;
    if (fails(f, FAULT_OPEN))
        return -1;
    int fd = redwi_sys_real.open(redwi_sys_real.ctx, family, type);
    f->opened += fd >= 0;
    return fd;
}

static int sys_connect(void *ctx, int fd, const struct sockaddr *addr, socklen_t len)
{
    if (fails(ctx, FAULT_CONNECT))
        return -1;
    return redwi_sys_real.connect(redwi_sys_real.ctx, fd, addr, len);
}

static int sys_connect_error(void *ctx, int fd)
{
    struct fault *f = ctx;
    if (due(f, FAULT_CONNECT_ERROR))
        return f->kind.error;
    return redwi_sys_real.connect_error(redwi_sys_real.ctx, fd);
}

static int sys_set_option(void *ctx, int fd, int level, int name, const void *value, socklen_t len)
{
    if (fails(ctx, FAULT_SET_OPTION))
        return -1;
    return redwi_sys_real.set_option(redwi_sys_real.ctx, fd, level, name, value, len);
}

static ssize_t sys_recv(void *ctx, int fd, void *p, size_t n)
{
    struct fault *f = ctx;
    if (due(f, FAULT_RECV)) {
        if (f->kind.end)
            return 0;
        errno = f->kind.error;
        if (f->kind.bytes == 0)
            return -1;
        n = n < f->kind.bytes ? n : f->kind.bytes;
    }
    return redwi_sys_real.recv(redwi_sys_real.ctx, fd, p, n);
}

static ssize_t sys_send(void *ctx, int fd, const void *p, size_t n)
{
    struct fault *f = ctx;
    if (due(f, FAULT_SEND)) {
        errno = f->kind.error;
        if (f->kind.bytes == 0)
            return -1;
        n = n < f->kind.bytes ? n : f->kind.bytes;
    }
    return redwi_sys_real.send(redwi_sys_real.ctx, fd, p, n);
}

static void sys_close(void *ctx, int fd)
{
    struct fault *f = ctx;
    f->closed++;
    redwi_sys_real.close(redwi_sys_real.ctx, fd);
}

/* Never failed by order; the descriptor counts as opened here, for it is closed here. */
static int sys_adopt(void *ctx, int fd)
{
    struct fault *f = ctx;
    int rc = redwi_sys_real.adopt(redwi_sys_real.ctx, fd);
    if (rc == 0)
        f->opened++;
    return rc;
}

static int sys_entropy(void *ctx, void *p, size_t n)
{
    if (fails(ctx, FAULT_ENTROPY))
        return -1;
    return redwi_sys_real.entropy(redwi_sys_real.ctx, p, n);
}

/* --- arming and telling -------------------------------------------------------------------------- */

void fault_init(struct fault *f)
{
    memset(f, 0, sizeof *f);
    f->mem = (struct redw_allocator){.size = sizeof f->mem,
                                     .ctx = f,
                                     .alloc = mem_alloc,
                                     .resize = mem_resize,
                                     .release = mem_release};
    f->sys = (struct redwi_sys){.ctx = f,
                                .open = sys_open,
                                .connect = sys_connect,
                                .connect_error = sys_connect_error,
                                .set_option = sys_set_option,
                                .recv = sys_recv,
                                .send = sys_send,
                                .close = sys_close,
                                .adopt = sys_adopt,
                                .entropy = sys_entropy};
    f->cap = 4096;
    f->table = calloc(f->cap, sizeof *f->table);
    must(f->table != NULL, "no memory for the table of live blocks");
    pthread_mutex_init(&f->lock, NULL);
}

void fault_fini(struct fault *f)
{
    if (fault_list_live(f, stderr) > 0)
        fault_explain(f, stderr);
    must(f->live == 0, "blocks leaked");
    free(f->table);
    f->table = NULL;
    pthread_mutex_destroy(&f->lock);
}

void fault_arm(struct fault *f, enum fault_class c, uint64_t n, enum fault_mode mode, struct fault_kind kind)
{
    fault_reset(f);
    f->on = true;
    f->armed = c;
    f->at = n;
    f->mode = mode;
    f->kind = kind;
}

void fault_disarm(struct fault *f)
{
    f->on = false;
}

void fault_reset(struct fault *f)
{
    fault_disarm(f);
    memset(f->calls, 0, sizeof f->calls);
    f->at = 0;
    f->fired = 0;
    f->depth = 0;
}

bool fault_fired(const struct fault *f)
{
    return f->fired > 0;
}

static const char *spell(char *out, size_t cap, enum fault_class c, uint64_t n, enum fault_mode mode,
                         const char *kind)
{
    snprintf(out, cap, "%s %llu %s %s", fault_class_name(c), (unsigned long long)n,
             mode == FAULT_STICKY ? "sticky" : "once", kind);
    return out;
}

const char *fault_text(const struct fault *f, char *out, size_t cap)
{
    if (f->at == 0)
        snprintf(out, cap, "no fault");
    else
        spell(out, cap, f->armed, f->at, f->mode, f->kind.name);
    return out;
}

bool fault_only(enum fault_class c, uint64_t n, enum fault_mode mode, struct fault_kind kind)
{
    const char *want = getenv("REDW_FAULT");
    char text[96];
    return want == NULL || strcmp(want, spell(text, sizeof text, c, n, mode, kind.name)) == 0;
}

void fault_explain(const struct fault *f, FILE *to)
{
    char text[96];
    fault_text(f, text, sizeof text);
    fprintf(to, "fault: %s, fired %llu times; alone: REDW_FAULT='%s' and this program\n", text,
            (unsigned long long)f->fired, text);
    fflush(to);
    if (f->depth > 0)
        backtrace_symbols_fd(f->where, f->depth, fileno(to));
}

uint64_t fault_list_live(const struct fault *f, FILE *to)
{
    for (size_t i = 0; i < f->cap && f->live > 0; i++)
        if (f->table[i].key > GONE)
            fprintf(to, "fault: live: %zu bytes, allocation %llu\n", f->table[i].bytes,
                    (unsigned long long)f->table[i].serial);
    return f->live;
}
