/* SPDX-License-Identifier: Apache-2.0 */
/*
 * B01, B03, B10, B11: Logins at a real PostgreSQL and a real PgBouncer: methods, require_auth,
 * channel_binding, passwords that SASLprep changes, Redshift's startup names where nobody knows them; and
 * where the password is afterwards.
 */
#include "support/lab.h"
#include "support/pg.h"
#include "wire/mem.h"
#include "wire/saslprep.h"
#include "wire/secret.h"

#include <check.h>
#include <fcntl.h>
#include <libpq-fe.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct lab r;

static const char *with(const char *uri, const char *settings)
{
    static char text[2048];
    snprintf(text, sizeof text, "%s%c%s", uri, strchr(uri, '?') ? '&' : '?', settings);
    return text;
}

static const char *uri_of(const char *user, const char *mode)
{
    static char text[2048];
    const struct pg_server *s = pg_server();
    bool verified = strncmp(mode, "verify", 6) == 0;
    snprintf(text, sizeof text, "postgresql://%s@localhost:%s/redw?sslmode=%s%s%s", user, s->port, mode,
             verified ? "&sslrootcert=" : "", verified ? s->cafile : "");
    return text;
}

/* One query on a client of its own. */
static struct answer ask(const struct redw_options *o)
{
    struct redw_diag why;
    ck_assert_msg(lab_client(&r, o, &why) == 0, "%s", why.text);
    return lab_query(&r, REDW_QUERY("select current_user::text"));
}

static void end(struct answer *a)
{
    answer_release(a);
    redw_client_destroy(r.client);
    r.client = NULL;
}

static void must_enter(const struct redw_options *o, const char *as)
{
    struct answer a = ask(o);
    ck_assert_msg(answer_error(&a) == NULL, "%s", redw_error_message(answer_error(&a)));
    ck_assert_str_eq(answer_text(&a), as);
    end(&a);
}

static void must_stay_out(const struct redw_options *o, const char *says)
{
    struct answer a = ask(o);
    const redw_error *e = answer_error(&a);
    ck_assert_ptr_nonnull(e);
    ck_assert_int_eq(redw_error_code(e), REDW_EAUTH);
    ck_assert_int_eq(redw_error_class(e), REDW_CLASS_AUTHENTICATION_FAILED);
    ck_assert_int_eq(redw_error_outcome(e), REDW_OUTCOME_NOT_SENT);
    ck_assert_msg(strstr(redw_error_message(e), says) != NULL, "'%s' not in: %s", says, redw_error_message(e));
    ck_assert_msg(!o->password || strstr(redw_error_message(e), o->password) == NULL, "%s",
                  redw_error_message(e));
    end(&a);
}

static void must_be_refused(const struct redw_options *o, const char *says)
{
    struct redw_diag why;
    ck_assert_int_eq(lab_client(&r, o, &why), REDW_EINVAL);
    ck_assert_msg(strstr(why.text, says) != NULL, "%s", why.text);
}

#define OPTIONS(...)                                                                                    \
    REDW_OPTIONS(.password = pg_server()->password, .connect_timeout_ms = 10000, __VA_ARGS__)

START_TEST(md5_is_answered_inside_verified_tls_or_when_asked_for)
{
    const char *md5 = pg_server()->md5uri;
    lab_open(&r);
    must_enter(OPTIONS(.uri = md5), "redw_md5");
    must_enter(OPTIONS(.uri = md5, .require_auth = "md5"), "redw_md5");
    must_enter(OPTIONS(.uri = with(md5, "require_auth=scram-sha-256,md5")), "redw_md5");
    must_enter(OPTIONS(.uri = uri_of("redw_md5", "verify-ca")), "redw_md5");
    must_enter(OPTIONS(.uri = uri_of("redw_md5", "require"), .require_auth = "md5"), "redw_md5");
    must_stay_out(OPTIONS(.uri = uri_of("redw_md5", "require")), "verified TLS");
    must_stay_out(OPTIONS(.uri = md5, .require_auth = "scram-sha-256"), "require_auth");
    must_stay_out(OPTIONS(.uri = md5, .require_auth = "!md5"), "require_auth");
    must_stay_out(OPTIONS(.uri = md5, .channel_binding = "require"), "channel_binding");
    must_stay_out(REDW_OPTIONS(.uri = md5, .password = "wrong"), "password authentication failed");
    must_stay_out(REDW_OPTIONS(.uri = md5), "none was given");
    ck_assert(lab_close(&r));
}
END_TEST

START_TEST(a_cleartext_password_is_sent_only_when_asked_for)
{
    const char *clear = pg_server()->clearuri;
    lab_open(&r);
    must_stay_out(OPTIONS(.uri = clear), "only if require_auth says so");
    must_stay_out(OPTIONS(.uri = clear, .require_auth = "!md5"), "only if require_auth says so");
    must_stay_out(OPTIONS(.uri = clear, .require_auth = "md5,scram-sha-256"), "require_auth");
    must_stay_out(OPTIONS(.uri = clear, .require_auth = "password", .channel_binding = "require"), "channel_binding");
    must_enter(OPTIONS(.uri = clear, .require_auth = "password"), "redw_clear");
    must_enter(OPTIONS(.uri = uri_of("redw_clear", "require"), .require_auth = "password"), "redw_clear");
    must_stay_out(REDW_OPTIONS(.uri = clear, .require_auth = "password", .password = "wrong"),
                  "password authentication failed");
    ck_assert(lab_close(&r));
}
END_TEST

START_TEST(scram_is_bound_to_the_certificate_as_the_settings_say)
{
    const struct pg_server *s = pg_server();
    lab_open(&r);
    must_enter(OPTIONS(.uri = s->uri), "redw");
    must_enter(OPTIONS(.uri = s->uri, .channel_binding = "require"), "redw");
    must_enter(OPTIONS(.uri = with(s->uri, "channel_binding=require&require_auth=scram-sha-256-plus")), "redw");
    must_enter(OPTIONS(.uri = s->uri, .channel_binding = "disable"), "redw");
    must_enter(OPTIONS(.uri = uri_of("redw", "require"), .channel_binding = "require"), "redw");
    must_enter(OPTIONS(.uri = s->uri, .require_auth = "scram-sha-256-plus"), "redw");
    must_enter(OPTIONS(.uri = s->uri, .require_auth = "!scram-sha-256-plus"), "redw");
    must_stay_out(OPTIONS(.uri = s->uri, .require_auth = "scram-sha-256-plus", .channel_binding = "disable"), "");
    must_stay_out(OPTIONS(.uri = s->uri, .require_auth = "none,md5"), "require_auth");
    must_enter(OPTIONS(.uri = s->plainuri, .require_auth = "scram-sha-256"), "plain");
    must_stay_out(OPTIONS(.uri = s->plainuri, .require_auth = "scram-sha-256-plus"), "no TLS");
    must_be_refused(OPTIONS(.uri = s->plainuri, .channel_binding = "require"), "channel_binding");
    ck_assert(lab_close(&r));
}
END_TEST

START_TEST(a_server_that_asks_for_nothing_is_taken_unless_something_is_required)
{
    const char *trust = pg_server()->adminuri;
    lab_open(&r);
    must_enter(REDW_OPTIONS(.uri = trust), "postgres");
    must_enter(REDW_OPTIONS(.uri = trust, .require_auth = "none"), "postgres");
    must_enter(OPTIONS(.uri = trust), "postgres");
    must_stay_out(OPTIONS(.uri = trust, .require_auth = "scram-sha-256"), "without asking");
    must_stay_out(OPTIONS(.uri = trust, .require_auth = "!none"), "without asking");
    ck_assert(lab_close(&r));
}
END_TEST

/* --- Redshift's names ---------------------------------------------------------------------------- */

/* A19 */
START_TEST(redshifts_names_cost_one_more_connection_once)
{
    const struct pg_server *s = pg_server();
    const char *const uris[] = {s->uri, s->plainuri, s->bounceruri, s->bouncerplainuri};
    for (size_t i = 0; i < sizeof uris / sizeof uris[0]; i++) {
        struct redw_diag why;
        if (!uris[i][0])
            continue; /* run without PgBouncer */
        lab_open(&r);
        ck_assert_msg(lab_client(&r, OPTIONS(.uri = uris[i], .server = "redshift", .pool_max = 3), &why) == 0, "%s",
                      why.text);
        struct answer a = lab_query(&r, REDW_QUERY("select 1"));
        ck_assert_msg(answer_error(&a) == NULL, "%s: %s", uris[i], redw_error_message(answer_error(&a)));
        answer_release(&a);
        ck_assert_uint_eq(r.fault.opened, 2);

        struct answer three[3];
        for (size_t k = 0; k < 3; k++)
            lab_submit(&r, &three[k], REDW_QUERY("select pg_sleep(0.05)"));
        for (size_t k = 0; k < 3; k++) {
            ck_assert(lab_wait(&r, &three[k].calls, 1));
            answer_must_succeed(&three[k]);
            answer_release(&three[k]);
        }
        ck_assert_uint_eq(r.fault.opened, 4);
        ck_assert(lab_close(&r));
    }
}
END_TEST

START_TEST(without_them_there_is_one_connection)
{
    lab_open(&r);
    must_enter(OPTIONS(.uri = pg_server()->uri), "redw");
    ck_assert_uint_eq(r.fault.opened, 1);
    must_enter(OPTIONS(.uri = pg_server()->uri, .server = "postgres"), "redw");
    ck_assert_uint_eq(r.fault.opened, 2);
    ck_assert(lab_close(&r));
}
END_TEST

/* --- passwords ------------------------------------------------------------------------------------ */

static void say_nothing(void *arg, const char *notice)
{
    (void)arg;
    (void)notice;
}

/* Statements of the superuser, in a process of its own: what they say stays out of this one's memory. */
static void as_admin(void (*say)(PGconn *c))
{
    pid_t child = fork();
    if (child == 0) {
        PGconn *c = PQconnectdb(pg_server()->adminuri);
        PQsetNoticeProcessor(c, say_nothing, NULL);
        say(c);
        PQfinish(c);
        _exit(0);
    }
    int status;
    ck_assert(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 0);
}

static void run(PGconn *c, const char *sql)
{
    PGresult *res = PQexec(c, sql);
    if (PQresultStatus(res) != PGRES_COMMAND_OK) {
        fprintf(stderr, "%s", PQerrorMessage(c));
        _exit(1);
    }
    PQclear(res);
}

static const struct spelling {
    const char *stored, *given;
} spellings[] = {
    {"p\xc3\xa4ssw\xc3\xb6rd", "p\xc3\xa4ssw\xc3\xb6rd"},
    {"p\xc3\xa4ssw\xc3\xb6rd", "pa\xcc\x88sswo\xcc\x88rd"},        /* composed, decomposed */
    {"pa\xcc\x88sswo\xcc\x88rd", "p\xc3\xa4ssw\xc3\xb6rd"},
    {"\xef\xac\x81sh\xc2\xa0soup", "fish soup"},                   /* ligature, no-break space */
    {"\xed\x95\x9c\xea\xb8\x80", "\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab\xe1\x84\x80\xe1\x85\xb3\xe1\x86\xaf"},
    {"sna\xc2\xadil", "snail"},                                    /* soft hyphen */
    {"\xf0\x9f\x90\x8c\xc2\xad", "\xf0\x9f\x90\x8c\xc2\xad"},      /* newer than Unicode 3.2: as it is */
    {"\xe1\xb4\xac\xe1\xb4\xae", "\xe1\xb4\xac\xe1\xb4\xae"},      /* so is this, though equivalent to AB */
    {"\xcd\x80\xc2\xad", "\xcd\x80\xc2\xad"},                      /* prohibited before it is normalised */
    {"\xd7\x90\xc2\xad" "a", "\xd7\x90\xc2\xad" "a"},              /* two directions: as it is */
    {"\xc3\xa4\xff\xfe", NULL},                                    /* no UTF-8: PostgreSQL takes none */
};
static const struct spelling *spelling;

static void set_spelling(PGconn *c)
{
    char sql[200];
    run(c, "DROP ROLE IF EXISTS redw_spelling");
    snprintf(sql, sizeof sql, "CREATE ROLE redw_spelling LOGIN IN ROLE redw PASSWORD '%s'", spelling->stored);
    run(c, sql);
}

static void drop_spelling(PGconn *c)
{
    run(c, "DROP ROLE IF EXISTS redw_spelling");
}

START_TEST(passwords_are_prepared_as_postgresql_does)
{
    lab_open(&r);
    for (spelling = spellings; spelling->given; spelling++) {
        as_admin(set_spelling);
        must_enter(REDW_OPTIONS(.uri = uri_of("redw_spelling", "verify-full"), .password = spelling->given),
                   "redw_spelling");
        must_stay_out(REDW_OPTIONS(.uri = uri_of("redw_spelling", "verify-full"), .password = "passwort"),
                      "password authentication failed");
    }
    as_admin(drop_spelling);
    ck_assert(lab_close(&r));
}
END_TEST

/* The server's verifier of each of many passwords must be the one that this library would prove to know. */
static bool agree(PGconn *c, const char *password)
{
    char sql[400], *out;
    uint8_t salted[32], stored[32], want[32];
    unsigned char salt[64], key[64];
    char salt64[64], stored64[64];
    unsigned iterations, n = 0;
    size_t len;
    snprintf(sql, sizeof sql, "ALTER ROLE redw_spelling PASSWORD '%s'", password);
    run(c, sql);
    PGresult *res = PQexec(c, "SELECT rolpassword FROM pg_authid WHERE rolname = 'redw_spelling'");
    bool parsed = PQntuples(res) == 1 && sscanf(PQgetvalue(res, 0, 0), "SCRAM-SHA-256$%u:%63[^$]$%63[^:]:", &iterations,
                                                salt64, stored64) == 3;
    PQclear(res);
    if (!parsed || redwi_saslprep(&redwi_malloc, password, strlen(password), &out, &len) != 0)
        return false;
    int salt_len = EVP_DecodeBlock(salt, (const unsigned char *)salt64, (int)strlen(salt64)) - 2; /* 16 bytes: == */
    EVP_DecodeBlock(key, (const unsigned char *)stored64, (int)strlen(stored64));
    memcpy(stored, key, sizeof stored);
    PKCS5_PBKDF2_HMAC(out, (int)len, salt, salt_len, (int)iterations, EVP_sha256(), sizeof salted, salted);
    redwi_secret_free(&redwi_malloc, out);
    HMAC(EVP_sha256(), salted, sizeof salted, (const unsigned char *)"Client Key", 10, want, &n);
    EVP_Digest(want, 32, want, NULL, EVP_sha256(), NULL);
    return memcmp(want, stored, sizeof want) == 0;
}

static uint64_t seed = 88172645463325252u;

static uint32_t draw(uint32_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed % n);
}

static size_t put_utf8(char *out, uint32_t c)
{
    if (c < 0x800)
        return (size_t)snprintf(out, 5, "%c%c", (int)(0xC0 | c >> 6), (int)(0x80 | (c & 63)));
    if (c < 0x10000)
        return (size_t)snprintf(out, 5, "%c%c%c", (int)(0xE0 | c >> 12), (int)(0x80 | (c >> 6 & 63)),
                                (int)(0x80 | (c & 63)));
    return (size_t)snprintf(out, 5, "%c%c%c%c", (int)(0xF0 | c >> 18), (int)(0x80 | (c >> 12 & 63)),
                            (int)(0x80 | (c >> 6 & 63)), (int)(0x80 | (c & 63)));
}

static void compare_verifiers(PGconn *c)
{
    static const uint32_t pool[][2] = {
        {0xA0, 0x17F},    {0x300, 0x36F},   {0x370, 0x52F},   {0x5B0, 0x6D5},     {0x900, 0xDDF},
        {0x1100, 0x11FF}, {0x1D00, 0x1DBF}, {0x1E00, 0x1FFF}, {0x2000, 0x21FF},   {0x3040, 0x33FF},
        {0xAC00, 0xD7A3}, {0xF900, 0xFDFC}, {0xFE00, 0xFFEF}, {0x1D15E, 0x1D7FF}, {0x2F800, 0x2FA1D},
    };
    const uint32_t count = sizeof pool / sizeof pool[0];
    for (unsigned i = 0; i < 400; i++) {
        char password[64];
        size_t n = 0;
        uint32_t one = draw(count), length = 1 + draw(5);
        while (length--) {
            const uint32_t *range = pool[draw(4) ? one : draw(count)];
            n += put_utf8(password + n, range[0] + draw(range[1] - range[0] + 1));
        }
        if (!agree(c, password)) {
            fprintf(stderr, "password %u: another verifier than PostgreSQL's:", i);
            for (size_t k = 0; k < n; k++)
                fprintf(stderr, " %02x", (unsigned char)password[k]);
            fprintf(stderr, "\n");
            _exit(1);
        }
    }
}

START_TEST(verifiers_of_many_passwords_are_postgresqls)
{
    spelling = spellings;
    as_admin(set_spelling);
    as_admin(compare_verifiers);
    as_admin(drop_spelling);
}
END_TEST

/* --- where the password is ----------------------------------------------------------------------- */

/* The password of role redw_canary, each byte ^ MASK: never whole in this process but where the library has it. */
#define MASK 0x5a
static unsigned char canary[24];

static void unmask(char text[25])
{
    for (size_t i = 0; i < sizeof canary; i++)
        text[i] = (char)(canary[i] ^ MASK);
    text[24] = '\0';
}

static void make_canary(PGconn *c)
{
    char password[25], sql[200];
    unmask(password);
    run(c, "DROP ROLE IF EXISTS redw_canary");
    snprintf(sql, sizeof sql, "CREATE ROLE redw_canary LOGIN IN ROLE redw PASSWORD '%s'", password);
    run(c, sql);
}

static void drop_canary(PGconn *c)
{
    run(c, "DROP ROLE IF EXISTS redw_canary");
}

/* Is the masked text at p? Compared byte by byte, so that it is nowhere in one piece. */
static bool is_at(const unsigned char *p, const unsigned char *masked, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i] != (unsigned char)(masked[i] ^ MASK))
            return false;
    }
    return true;
}

#define FORMS 5
static unsigned char forms[FORMS][64]; /* as it is; hexadecimal; base64 at its three offsets; all masked */
static size_t form_lens[FORMS];

static void mask_forms(void)
{
    static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    static const char hex[] = "0123456789abcdef";
    memcpy(forms[0], canary, sizeof canary);
    form_lens[0] = sizeof canary;
    for (size_t i = 0; i < sizeof canary; i++) {
        forms[1][2 * i] = (unsigned char)(hex[(canary[i] ^ MASK) >> 4] ^ MASK);
        forms[1][2 * i + 1] = (unsigned char)(hex[(canary[i] ^ MASK) & 15] ^ MASK);
    }
    form_lens[1] = 2 * sizeof canary;
    for (size_t offset = 0; offset < 3; offset++) {
        size_t n = 0;
        for (size_t i = offset; i + 3 <= sizeof canary; i += 3) {
            unsigned v = (unsigned)(canary[i] ^ MASK) << 16 | (unsigned)(canary[i + 1] ^ MASK) << 8 |
                         (unsigned)(canary[i + 2] ^ MASK);
            for (unsigned k = 0; k < 4; k++)
                forms[2 + offset][n++] = (unsigned char)(base64[v >> (18 - 6 * k) & 63] ^ MASK);
        }
        form_lens[2 + offset] = n;
    }
}

/* Copies in all writable memory of this process, in all forms. Very large mappings are a sanitizer's. */
static unsigned scan(void)
{
    static char maps[1 << 20];
    unsigned found = 0;
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    size_t n = 0;
    for (ssize_t got; fd >= 0 && (got = read(fd, maps + n, sizeof maps - 1 - n)) > 0;)
        n += (size_t)got;
    close(fd);
    maps[n] = '\0';
    for (const char *line = maps; *line; line = strchr(line, '\n') + 1) {
        unsigned long first, last;
        char mode[5];
        if (sscanf(line, "%lx-%lx %4s", &first, &last, mode) != 3 || strncmp(mode, "rw", 2) != 0 ||
            last - first > 1ul << 30)
            continue;
        for (unsigned f = 0; f < FORMS; f++) {
            const unsigned char *p = (const unsigned char *)first, *stop = (const unsigned char *)last;
            unsigned char begin = forms[f][0] ^ MASK;
            for (; (size_t)(stop - p) >= form_lens[f]; p++) {
                if (*p == begin && is_at(p, forms[f], form_lens[f]))
                    found++;
            }
        }
    }
    return found;
}

static void fill_canary(void)
{
    static const char letters[] = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    FILE *f = fopen("/dev/urandom", "rb");
    ck_assert(f && fread(canary, 1, sizeof canary, f) == sizeof canary);
    fclose(f);
    for (size_t i = 0; i < sizeof canary; i++)
        canary[i] = (unsigned char)(letters[canary[i] % (sizeof letters - 1)] ^ MASK);
    mask_forms();
}

static void look_for_the_canary(const char *settings, const char *set_up)
{
    char uri[2200], password[25];
    struct redw_diag why;
    snprintf(uri, sizeof uri, "%s&%s", uri_of("redw_canary", "verify-full"), settings);
    lab_open(&r);
    ck_assert_uint_eq(scan(), 0);
    unmask(password);
    ck_assert_uint_eq(scan(), 1); /* the scan sees what there is */
    ck_assert_int_eq(lab_client(&r, REDW_OPTIONS(.uri = uri, .password = password, .pool_max = 2), &why), 0);
    r.fault.canary = NULL; /* the laboratory would look for this very text */
    explicit_bzero(password, sizeof password);
    struct answer a = lab_query(&r, REDW_QUERY("select current_user::text"));
    ck_assert_msg(answer_error(&a) == NULL, "%s: %s", set_up, redw_error_message(answer_error(&a)));
    ck_assert_str_eq(answer_text(&a), "redw_canary");
    answer_release(&a);
    unsigned open = scan();
    redw_client_destroy(r.client);
    r.client = NULL;
    unsigned closed = scan();
    printf("canary, %s: %u copies while open, %u after close\n", set_up, open, closed);
    ck_assert_uint_le(open, 1);
    ck_assert_uint_eq(closed, 0);
    ck_assert(lab_close(&r));
}

/* B11 */
START_TEST(the_password_is_in_one_place_while_open_and_nowhere_after)
{
#ifdef __SANITIZE_ADDRESS__
    return; /* its own memory cannot be read through */
#endif
    fill_canary();
    as_admin(make_canary);
    look_for_the_canary("require_auth=scram-sha-256-plus", "SCRAM-SHA-256-PLUS");
    look_for_the_canary("channel_binding=disable", "SCRAM-SHA-256");
    as_admin(drop_canary);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("login methods");
    TCase *t = tcase_create("login methods");
    pg_server();
    tcase_add_test(t, md5_is_answered_inside_verified_tls_or_when_asked_for);
    tcase_add_test(t, a_cleartext_password_is_sent_only_when_asked_for);
    tcase_add_test(t, scram_is_bound_to_the_certificate_as_the_settings_say);
    tcase_add_test(t, a_server_that_asks_for_nothing_is_taken_unless_something_is_required);
    tcase_add_test(t, redshifts_names_cost_one_more_connection_once);
    tcase_add_test(t, without_them_there_is_one_connection);
    tcase_add_test(t, passwords_are_prepared_as_postgresql_does);
    tcase_add_test(t, verifiers_of_many_passwords_are_postgresqls);
    tcase_add_test(t, the_password_is_in_one_place_while_open_and_nowhere_after);
    tcase_set_timeout(t, 120);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
