/* SPDX-License-Identifier: Apache-2.0 */
/* 10 GB as TSV into a descriptor (pipe, socket): ev_io writes, the stream pauses above 1 MiB, memory stays flat. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <ev.h>
#include <redw.h>

#define HIGH ((size_t)1 << 20)
#define LOW ((size_t)1 << 18)

struct sink {
    ev_io out;
    struct ev_loop *loop;
    redw_client *db;
    redw_id id;
    char *buf;
    size_t head, len, cap;
    bool ended;
    int status;
};

static int put(struct sink *s, const char *p, size_t n)
{
    if (s->head + s->len + n > s->cap) {
        if (s->len)
            memmove(s->buf, s->buf + s->head, s->len);
        s->head = 0;
    }
    if (s->len + n > s->cap) {
        size_t cap = 2 * (s->len + n);
        char *grown = realloc(s->buf, cap);
        if (!grown)
            return -1;
        s->buf = grown;
        s->cap = cap;
    }
    memcpy(s->buf + s->head + s->len, p, n);
    s->len += n;
    return 0;
}

static enum redw_flow on_rows(redw_rows *rows, void *ctx)
{
    struct sink *s = ctx;
    redw_row row;

    while (s->len < HIGH && redw_rows_next(rows, &row)) {                /* rows not taken come again after resume */
        for (size_t c = 0; c < row.ncells; c++) {
            redw_slice cell = row.cells[c].ptr ? row.cells[c] : (redw_slice){ "\\N", 2 };
            if (put(s, cell.ptr, cell.len) || put(s, c + 1 < row.ncells ? "\t" : "\n", 1))
                return REDW_STOP;
        }
    }
    if (s->len)
        ev_io_start(s->loop, &s->out);
    return s->len < HIGH ? REDW_MORE : REDW_PAUSE;
}

static void on_done(const redw_result *res, void *ctx)
{
    struct sink *s = ctx;
    const redw_error *err = redw_result_error(res);

    s->ended = true;
    if (err) {
        fprintf(stderr, "%s\n", redw_error_message(err));
        s->status = 1;
    }
}

static void on_writable(struct ev_loop *loop, ev_io *w, int revents)
{
    struct sink *s = w->data;
    ssize_t n = write(w->fd, s->buf + s->head, s->len);

    (void)revents;
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        perror("write");
        s->status = 1;
        s->len = 0;
        redw_cancel(s->db, s->id);                                       /* on_done still comes */
    } else if (n > 0) {
        s->head += (size_t)n;
        s->len -= (size_t)n;
    }
    if (s->len == 0)
        ev_io_stop(loop, w);
    if (s->len < LOW && !s->ended)
        redw_resume(s->db, s->id);                                       /* not paused: nothing happens */
}

int main(void)
{
    static const struct redw_stream_handler to_sink = { .size = sizeof to_sink, .on_rows = on_rows, .on_done = on_done };
    struct ev_loop *loop = ev_default_loop(0);
    struct sink s = { .loop = loop };
    struct redw_diag why;

    if (redw_client_create(&s.db, loop, REDW_OPTIONS(.uri = getenv("REDSHIFT_URI")), &why) != 0) {
        fprintf(stderr, "redw: %s\n", why.text);
        return 1;
    }
    fcntl(STDOUT_FILENO, F_SETFL, O_NONBLOCK);
    ev_io_init(&s.out, on_writable, STDOUT_FILENO, EV_WRITE);
    s.out.data = &s;
    s.id = redw_stream(s.db, REDW_REQUEST(.sql = "select * from events where year = $1", REDW_PARAMS(redw_p_int32(2024)),
                                          .timeout_ms = REDW_NONE), &to_sink, &s);
    if (s.id < 0) {
        fprintf(stderr, "redw: %s\n", redw_client_why(s.db));
        s.status = 1;
    }
    redw_client_close(s.db, REDW_NONE, NULL, NULL);
    ev_run(loop, 0);
    redw_client_destroy(s.db);
    free(s.buf);
    return s.status;
}
