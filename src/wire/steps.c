/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each message does to a session, and how a session ends. Which message may come when was decided
 * before (session.c); here only bodies can be wrong.
 */
#include "wire/steps.h"

#include "wire/be_read.h"
#include "wire/fe_write.h"
#include "wire/mem.h"

/* --- phases ------------------------------------------------------------------------------------- */

static const char *phase_name(const struct redwi_session *s)
{
    static const char *const names[] = {
        [REDWI_PHASE_START] = "before the first message",
        [REDWI_PHASE_TLS_ASKED] = "waiting for the answer to SSLRequest",
        [REDWI_PHASE_TLS_WAIT] = "before TLS",
        [REDWI_PHASE_LOGIN] = "during authentication",
        [REDWI_PHASE_SETTLING] = "after authentication, before the first ReadyForQuery",
        [REDWI_PHASE_READY] = "while idle",
        [REDWI_PHASE_CANCEL] = "after CancelRequest",
        [REDWI_PHASE_DEAD] = "after the end",
    };
    static const char *const dues[] = {
        [REDWI_DUE_NOTHING] = "while idle",
        [REDWI_DUE_CLOSE] = "while CloseComplete is due",
        [REDWI_DUE_PARAMETERS] = "while ParameterDescription is due",
        [REDWI_DUE_COLUMNS] = "while the columns of a statement are due",
        [REDWI_DUE_QUERY] = "while the answer to a Query is due",
        [REDWI_DUE_QUERY_ROWS] = "while rows of a Query are due",
        [REDWI_DUE_PARSE] = "while ParseComplete is due",
        [REDWI_DUE_BIND] = "while BindComplete is due",
        [REDWI_DUE_DESCRIBE] = "while RowDescription or NoData is due",
        [REDWI_DUE_EXECUTE] = "while CommandComplete is due",
        [REDWI_DUE_ROWS] = "while DataRow or CommandComplete is due",
        [REDWI_DUE_COPY_IN] = "while an ErrorResponse to CopyFail is due",
        [REDWI_DUE_COPY_OUT] = "while the data of a COPY is dropped",
        [REDWI_DUE_SYNC] = "while ReadyForQuery is due",
        [REDWI_DUE_FAILED] = "while ReadyForQuery is due after an error",
    };
    if (s->phase != REDWI_PHASE_BUSY)
        return names[s->phase];
    return dues[redwi_reply_queue_front(&s->queue)->due];
}

/* --- the end ------------------------------------------------------------------------------------ */

/* Of the oldest unit; a session without units has sent nothing that could have run. */
static enum redw_outcome oldest_outcome(const struct redwi_session *s)
{
    const struct redwi_reply *r = redwi_reply_queue_front(&s->queue);
    return r && s->sent > r->at ? REDW_OUTCOME_UNKNOWN : REDW_OUTCOME_NOT_SENT;
}

/* Takes e; NULL only for a cancel session that did its work. The first doom counts. */
void redwi_die(struct redwi_session *s, redw_error *e)
{
    if (s->phase == REDWI_PHASE_DEAD) {
        redw_error_release(e);
        return;
    }
    redwi_auth_end(&s->auth);
    s->fatal = e;
    s->fatal_due = true;
    s->phase = REDWI_PHASE_DEAD;
}

static struct redwi_err_spec spec_of(const struct redwi_session *s, int code, enum redw_class cls)
{
    return (struct redwi_err_spec){.code = code, .cls = cls, .outcome = oldest_outcome(s)};
}

void redwi_die_protocol(struct redwi_session *s, const char *what, const char *which)
{
    const struct redwi_err_spec spec = spec_of(s, REDW_EPROTOCOL, REDW_CLASS_INTERNAL);
    redwi_die(s, redwi_err_make(s->config.mem, &spec, "protocol: %s %s %s", what, which, phase_name(s)));
}

void redwi_die_tls(struct redwi_session *s, const char *what)
{
    const struct redwi_err_spec spec = spec_of(s, REDW_ETLS, REDW_CLASS_CONNECTION_FAILED);
    redwi_die(s, redwi_err_make(s->config.mem, &spec, "tls: %s", what));
}

void redwi_die_no_memory(struct redwi_session *s)
{
    redwi_die(s, redwi_err_no_memory(oldest_outcome(s)));
}

/* Everything received was reported, and no more will come. */
void redwi_die_ended(struct redwi_session *s)
{
    redw_error *why = s->why;
    s->why = NULL;
    bool cancel_done = s->phase == REDWI_PHASE_CANCEL && !redwi_buf_len(&s->out) && !why;
    if (!why && !cancel_done) {
        const struct redwi_err_spec spec = spec_of(s, REDW_ECONNECT, REDW_CLASS_CONNECTION_FAILED);
        why = redwi_err_make(s->config.mem, &spec, "the server closed the connection");
    }
    redwi_die(s, why);
}

static enum redwi_ev_kind malformed(struct redwi_session *s, const char *which)
{
    redwi_die_protocol(s, "malformed", which);
    return REDWI_EV_NONE;
}

/* --- messages: login ---------------------------------------------------------------------------- */

enum redwi_ev_kind redwi_on_authentication(struct redwi_session *s, struct redwi_message m, struct redwi_ev *ev)
{
    (void)ev;
    redw_error *e = redwi_auth_request(&s->auth, m.body, m.len, &s->out);
    if (e)
        redwi_die(s, e);
    else if (s->auth.step == REDWI_AUTH_OK)
        s->phase = REDWI_PHASE_SETTLING;
    return REDWI_EV_NONE;
}

/* The answer to a minor version or to options ("_pq_...") that the server does not have. We ask for 3.0, which
 * each has, and for no option: whoever answers with another version or with names means somebody else. */
enum redwi_ev_kind redwi_on_negotiate(struct redwi_session *s, struct redwi_message m, struct redwi_ev *ev)
{
    (void)ev;
    struct redwi_negotiate answer;
    if (!redwi_be_negotiate(m.body, m.len, &answer))
        redwi_die_protocol(s, "malformed", "NegotiateProtocolVersion");
    else if (answer.minor || answer.nnames)
        redwi_die_protocol(s, "what was not asked for in", "NegotiateProtocolVersion");
    return REDWI_EV_NONE;
}

enum redwi_ev_kind redwi_on_key(struct redwi_session *s, struct redwi_message m, struct redwi_ev *ev)
{
    (void)ev;
    const uint8_t *key;
    size_t n;
    if (s->has_key || !redwi_be_key_data(m.body, m.len, &s->pid, &key, &n))
        return malformed(s, "BackendKeyData");
    memcpy(s->key, key, n);
    s->key_len = n;
    s->has_key = true;
    redwi_wipe((void *)m.body, m.len);
    return REDWI_EV_NONE;
}

enum redwi_ev_kind redwi_on_logged_in(struct redwi_session *s, struct redwi_message m, struct redwi_ev *ev)
{
    char status;
    if (!redwi_be_ready(m.body, m.len, &status))
        return malformed(s, "ReadyForQuery");
    s->phase = REDWI_PHASE_READY;
    *ev = (struct redwi_ev){.kind = REDWI_EV_LOGGED_IN, .status = status};
    return REDWI_EV_LOGGED_IN;
}

/* --- messages: at any time ---------------------------------------------------------------------- */

static bool is_name(redw_slice name, const char *known)
{
    return redwi_parameters_same_name(name.ptr, name.len, known, strlen(known));
}

enum redwi_ev_kind redwi_on_parameter(struct redwi_session *s, struct redwi_message m, struct redwi_ev *ev)
{
    redw_slice name, value;
    if (!redwi_be_parameter_status(m.body, m.len, &name, &value))
        return malformed(s, "ParameterStatus");
    static const char row_version[] = "server_protocol_version";
    if (is_name(name, row_version) && !redwi_be_row_version(value, &s->row_version)) {
        redwi_die_protocol(s, "unknown", row_version);
        return REDWI_EV_NONE;
    }
    s->is_redshift |= is_name(name, "padb_version") || is_name(name, "padb_revision");
    if (redwi_parameters_set(&s->parameters, name, value)) {
        redwi_die_no_memory(s);
        return REDWI_EV_NONE;
    }
    *ev = (struct redwi_ev){.kind = REDWI_EV_PARAMETER, .data = m.body, .len = m.len};
    return REDWI_EV_PARAMETER;
}

enum redwi_ev_kind redwi_on_notice(struct redwi_session *s, struct redwi_message m, struct redwi_ev *ev)
{
    if (!redwi_be_fields_ok(m.body, m.len))
        return malformed(s, "NoticeResponse");
    const struct redwi_reply *r = redwi_reply_queue_front(&s->queue);
    if (r && !r->tag)
        return REDWI_EV_NONE;
    *ev = (struct redwi_ev){
        .kind = REDWI_EV_NOTICE,
        .unit = r ? r->tag : NULL,
        .error = redwi_err_server(s->config.mem, m.body, m.len, REDW_OUTCOME_UNKNOWN),
    };
    return REDWI_EV_NOTICE;
}

enum redwi_ev_kind redwi_on_nothing(struct redwi_session *s, struct redwi_message m, struct redwi_ev *ev)
{
    (void)s;
    (void)m;
    (void)ev;
    return REDWI_EV_NONE;
}

/* An error that no unit asked for: the server says why it will close. */
enum redwi_ev_kind redwi_on_last_words(struct redwi_session *s, struct redwi_message m, struct redwi_ev *ev)
{
    (void)ev;
    if (!redwi_be_fields_ok(m.body, m.len))
        return malformed(s, "ErrorResponse");
    redw_error *e = redwi_err_server(s->config.mem, m.body, m.len, oldest_outcome(s));
    s->names_refused = s->config.startup.redshift && !redwi_session_logged_in(s) &&
                       redwi_err_is_fatal(e) && redwi_startup_refused(redw_error_sqlstate(e));
    redwi_die(s, e);
    return REDWI_EV_NONE;
}

/* --- messages: of a unit ------------------------------------------------------------------------ */

static struct redwi_reply *front(const struct redwi_session *s)
{
    return redwi_session_front(s);
}

/* A discarded unit's events are not reported. */
static enum redwi_ev_kind report_unit(struct redwi_session *s, struct redwi_ev *ev, enum redwi_ev_kind kind,
                                      const void *data, size_t len)
{
    void *tag = front(s)->tag;
    if (!tag)
        return REDWI_EV_NONE;
    *ev = (struct redwi_ev){.kind = kind, .unit = tag, .data = data, .len = len};
    return kind;
}

static enum redwi_ev_kind report_columns(struct redwi_session *s, struct redwi_ev *ev, struct redwi_message m,
                                         const struct redwi_columns *columns)
{
    enum redwi_ev_kind kind = report_unit(s, ev, REDWI_EV_COLUMNS, m.body, m.len);
    ev->columns = columns;
    return kind;
}

enum redwi_ev_kind redwi_on_step(struct redwi_session *s, struct redwi_message m, struct redwi_ev *ev)
{
    (void)m;
    (void)ev;
    redwi_reply_step(front(s));
    return REDWI_EV_NONE;
}

enum redwi_ev_kind redwi_on_bound(struct redwi_session *s, struct redwi_message m, struct redwi_ev *ev)
{
    (void)m;
    redwi_reply_step(front(s));
    if (!(front(s)->sent & REDWI_SENT_REPORT_BIND))
        return REDWI_EV_NONE;
    return report_unit(s, ev, REDWI_EV_BOUND, NULL, 0);
}

enum redwi_ev_kind redwi_on_parameter_types(struct redwi_session *s, struct redwi_message m, struct redwi_ev *ev)
{
    const uint8_t *oids;
    size_t n;
    if (!redwi_be_parameter_description(m.body, m.len, &oids, &n))
        return malformed(s, "ParameterDescription");
    redwi_reply_step(front(s));
    return report_unit(s, ev, REDWI_EV_PARAMETER_TYPES, oids, n * sizeof(uint32_t));
}

enum redwi_ev_kind redwi_on_columns(struct redwi_session *s, struct redwi_message m, struct redwi_ev *ev)
{
    if (!redwi_description_read(&s->description, m.body, m.len, s->row_version))
        return malformed(s, "RowDescription");
    struct redwi_reply *r = front(s);
    redwi_reply_has_columns(r);
    if (r->due == REDWI_DUE_QUERY)
        r->due = REDWI_DUE_QUERY_ROWS;
    else
        redwi_reply_step(r);
    return report_columns(s, ev, m, &s->description.columns);
}

enum redwi_ev_kind redwi_on_no_columns(struct redwi_session *s, struct redwi_message m, struct redwi_ev *ev)
{
    (void)m;
    static const struct redwi_columns none;
    redwi_reply_step(front(s));
    return report_columns(s, ev, (struct redwi_message){NULL, 0}, &none);
}

enum redwi_ev_kind redwi_on_suspended(struct redwi_session *s, struct redwi_message m, struct redwi_ev *ev)
{
    (void)m;
    if (!(front(s)->sent & REDWI_SENT_LIMIT)) {
        redwi_die_protocol(s, "unexpected", "PortalSuspended");
        return REDWI_EV_NONE;
    }
    redwi_reply_complete(front(s));
    return report_unit(s, ev, REDWI_EV_SUSPENDED, NULL, 0);
}

enum redwi_ev_kind redwi_on_complete(struct redwi_session *s, struct redwi_message m, struct redwi_ev *ev)
{
    redw_slice tag;
    if (!redwi_be_command_complete(m.body, m.len, &tag))
        return malformed(s, "CommandComplete");
    redwi_reply_complete(front(s));
    return report_unit(s, ev, REDWI_EV_COMPLETE, tag.ptr, tag.len);
}

enum redwi_ev_kind redwi_on_empty(struct redwi_session *s, struct redwi_message m, struct redwi_ev *ev)
{
    (void)m;
    redwi_reply_complete(front(s));
    return report_unit(s, ev, REDWI_EV_COMPLETE, "", 0);
}

/* Takes e. The first error of a unit is its error; the server skips to our Sync after it. */
static enum redwi_ev_kind fail_unit(struct redwi_session *s, redw_error *e, enum redwi_due due,
                                    struct redwi_ev *ev)
{
    enum redwi_ev_kind kind = report_unit(s, ev, REDWI_EV_ERROR, NULL, 0);
    front(s)->due = due;
    if (kind)
        ev->error = e;
    else
        redw_error_release(e);
    return kind;
}

enum redwi_ev_kind redwi_on_unit_error(struct redwi_session *s, struct redwi_message m, struct redwi_ev *ev)
{
    if (!redwi_be_fields_ok(m.body, m.len))
        return malformed(s, "ErrorResponse");
    redw_error *e = redwi_err_server(s->config.mem, m.body, m.len, front(s)->on_error);
    if (redwi_err_is_fatal(e)) {
        redwi_die(s, redwi_err_again(s->config.mem, e, oldest_outcome(s), NULL));
        redw_error_release(e);
        return REDWI_EV_NONE;
    }
    return fail_unit(s, e, REDWI_DUE_FAILED, ev);
}

/* Dropped, unless it says that the server closes. */
enum redwi_ev_kind redwi_on_later_error(struct redwi_session *s, struct redwi_message m, struct redwi_ev *ev)
{
    if (redwi_on_unit_error(s, m, ev))
        redw_error_release(ev->error);
    return REDWI_EV_NONE;
}

/* A unit that was begun and not ended. */
void redwi_session_take_back_unit(struct redwi_session *s)
{
    if (s->unit_open)
        redwi_buf_cut(&s->out, s->unit_at);
    s->unit_open = false;
}

/* COPY FROM STDIN: nobody has data to send. The server ignores Sync while it reads COPY data, ours too,
 * so CopyFail takes another one along ("COPY Operations"). Its ErrorResponse is the unit's. (A unit that
 * was sent behind this one is no COPY data either: PostgreSQL then gives up the connection by itself.) */
enum redwi_ev_kind redwi_on_copy_in(struct redwi_session *s, struct redwi_message m, struct redwi_ev *ev)
{
    (void)m;
    (void)ev;
    redwi_session_take_back_unit(s);
    size_t mark = redwi_buf_mark(&s->out);
    redwi_fe_copy_fail(&s->out, "COPY FROM STDIN is not supported by this client");
    redwi_fe_sync(&s->out);
    if (s->out.failed) {
        redwi_buf_cut(&s->out, mark);
        redwi_die_no_memory(s);
        return REDWI_EV_NONE;
    }
    front(s)->due = REDWI_DUE_COPY_IN;
    return REDWI_EV_NONE;
}

enum redwi_ev_kind redwi_on_copy_out(struct redwi_session *s, struct redwi_message m, struct redwi_ev *ev)
{
    (void)m;
    const struct redwi_err_spec spec = {
        .code = REDW_EINVAL,
        .cls = REDW_CLASS_INVALID_SQL,
        .outcome = REDW_OUTCOME_UNKNOWN,
    };
    redw_error *e =
        redwi_err_make(s->config.mem, &spec, "COPY TO STDOUT is not supported by this client");
    return fail_unit(s, e, REDWI_DUE_COPY_OUT, ev);
}

enum redwi_ev_kind redwi_on_copy_complete(struct redwi_session *s, struct redwi_message m, struct redwi_ev *ev)
{
    (void)m;
    (void)ev;
    front(s)->due = REDWI_DUE_FAILED;
    return REDWI_EV_NONE;
}

enum redwi_ev_kind redwi_on_ready(struct redwi_session *s, struct redwi_message m, struct redwi_ev *ev)
{
    char status;
    if (!redwi_be_ready(m.body, m.len, &status))
        return malformed(s, "ReadyForQuery");
    *ev = (struct redwi_ev){.kind = REDWI_EV_READY, .unit = front(s)->tag, .status = status};
    redwi_session_unit_ended(s);
    return REDWI_EV_READY;
}
