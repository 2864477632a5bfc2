/* SPDX-License-Identifier: Apache-2.0 */
/*
 * C01: Each body that there is, cut, stretched and bent in every place, always ending at an inaccessible page, so
 * that a read beyond the end is a crash and not luck.
 */
#include "wire/codec_stand.h"

/* One shape for all readers. What a body promised is then walked, as its users do. */
static bool read_first(const uint8_t *body, size_t len)
{
    enum redwi_first kind;
    redwi_fe_startup_value(body, len, "user");
    return redwi_fe_first(body, len, &kind);
}

static bool read_parse(const uint8_t *body, size_t len)
{
    struct redwi_parse_msg m;
    return redwi_fe_read_parse(body, len, &m);
}

static bool read_bind(const uint8_t *body, size_t len)
{
    struct redwi_bind_msg m;
    if (!redwi_fe_read_bind(body, len, &m))
        return false;
    for (size_t i = 0; i < m.nvalues; i++) {
        uint32_t n = redwi_cursor_u32(&m.values);
        if (n != UINT32_MAX)
            redwi_cursor_bytes(&m.values, n);
    }
    ck_assert(redwi_cursor_done(&m.values));
    return true;
}

static bool read_describe(const uint8_t *body, size_t len)
{
    char what;
    redw_slice s;
    return redwi_fe_read_describe(body, len, &what, &s);
}

static bool read_execute(const uint8_t *body, size_t len)
{
    redw_slice s;
    uint32_t n;
    return redwi_fe_read_execute(body, len, &s, &n);
}

static bool read_query(const uint8_t *body, size_t len)
{
    redw_slice s;
    return redwi_fe_read_query(body, len, &s);
}

static bool read_sasl_initial(const uint8_t *body, size_t len)
{
    redw_slice a, d;
    return redwi_fe_read_sasl_initial(body, len, &a, &d);
}

static bool read_columns(const uint8_t *body, size_t len, unsigned version)
{
    struct redwi_columns columns;
    if (!redwi_be_row_description(body, len, version, &columns))
        return false;
    struct redwi_field f;
    for (size_t i = 0; i < columns.n; i++)
        redwi_be_field_next(&columns, &f);
    ck_assert(redwi_cursor_done(&columns.fields));
    return true;
}

static bool read_row_description(const uint8_t *body, size_t len)
{
    return read_columns(body, len, 0);
}

static bool read_row_description_3(const uint8_t *body, size_t len)
{
    return read_columns(body, len, 3);
}

static bool read_data_row(const uint8_t *body, size_t len)
{
    size_t n;
    struct redwi_cursor values;
    if (!redwi_be_data_row(body, len, &n, &values))
        return false;
    while (n--)
        redwi_cursor_value(&values);
    ck_assert(redwi_cursor_done(&values));
    return true;
}

static bool read_digest_request(const uint8_t *body, size_t len)
{
    struct redwi_digest_request r;
    return redwi_be_digest_request(body, len, &r);
}

static bool read_md5(const uint8_t *body, size_t len)
{
    const uint8_t *salt;
    return redwi_be_md5_salt(body, len, &salt);
}

static bool read_negotiate(const uint8_t *body, size_t len)
{
    struct redwi_negotiate v;
    if (!redwi_be_negotiate(body, len, &v))
        return false;
    while (v.nnames--)
        redwi_cursor_text(&v.names);
    ck_assert(redwi_cursor_done(&v.names));
    return true;
}

static bool read_compression(const uint8_t *body, size_t len)
{
    redw_slice s;
    return redwi_be_compression(body, len, &s);
}

static bool read_switch(const uint8_t *body, size_t len)
{
    uint8_t index;
    return redwi_be_compression_switch(body, len, &index);
}

static bool read_parameters(const uint8_t *body, size_t len)
{
    const uint8_t *oids;
    size_t n;
    return redwi_be_parameter_description(body, len, &oids, &n);
}

static bool read_notification(const uint8_t *body, size_t len)
{
    struct redwi_notification a;
    return redwi_be_notification(body, len, &a);
}

static bool read_copy(const uint8_t *body, size_t len)
{
    struct redwi_copy_response r;
    return redwi_be_copy_response(body, len, &r);
}

static bool read_function_result(const uint8_t *body, size_t len)
{
    redw_slice v;
    return redwi_be_function_result(body, len, &v);
}

static bool read_function_call(const uint8_t *body, size_t len)
{
    struct redwi_function_call f;
    if (!redwi_fe_read_function_call(body, len, &f))
        return false;
    while (f.nvalues--)
        redwi_cursor_value(&f.values);
    ck_assert(redwi_cursor_done(&f.values));
    return true;
}

static bool read_copy_fail(const uint8_t *body, size_t len)
{
    redw_slice s;
    return redwi_fe_read_copy_fail(body, len, &s);
}

static bool read_password(const uint8_t *body, size_t len)
{
    redw_slice s;
    return redwi_fe_read_password(body, len, &s);
}

static bool read_digest(const uint8_t *body, size_t len)
{
    const uint8_t *digest;
    redw_slice nonce;
    return redwi_fe_read_digest(body, len, &digest, &nonce);
}

static bool read_parameter(const uint8_t *body, size_t len)
{
    redw_slice a, v;
    return redwi_be_parameter_status(body, len, &a, &v);
}

static bool read_key(const uint8_t *body, size_t len)
{
    uint32_t pid;
    const uint8_t *k;
    size_t n;
    return redwi_be_key_data(body, len, &pid, &k, &n);
}

static bool read_ready(const uint8_t *body, size_t len)
{
    char s;
    return redwi_be_ready(body, len, &s);
}

static bool read_complete(const uint8_t *body, size_t len)
{
    redw_slice s;
    if (!redwi_be_command_complete(body, len, &s))
        return false;
    (void)redwi_be_tag_count(s.ptr, s.len);
    return true;
}

static bool read_auth(const uint8_t *body, size_t len)
{
    uint32_t c;
    const uint8_t *r;
    size_t n;
    return redwi_be_authentication(body, len, &c, &r, &n);
}

static bool read_offers(const uint8_t *body, size_t len)
{
    bool o;
    return redwi_be_sasl_offers(body, len, "SCRAM-SHA-256", &o);
}

static bool read_fields(const uint8_t *body, size_t len)
{
    if (!redwi_be_fields_ok(body, len))
        return false;
    (void)redwi_be_field(body, len, 'Z');
    return true;
}

static const struct specimen {
    const char *name;
    bool (*read)(const uint8_t *body, size_t len);
    const char *hex;
    size_t shortest; /* every shorter body is refused; 0: every body shorter than this one */
    bool open;       /* ends in bytes of any number: one more is no error */
} specimens[] = {
    {"StartupMessage", read_first, "00030000 'user' 00 'u' 00 'database' 00 'd' 00 00", 0, false},
    {"SSLRequest", read_first, "04d2162f", 0, false},
    {"CancelRequest", read_first, "04d2162e 00007555 33f792e1", 0, true},
    {"CancelRequest 3.2", read_first, "04d2162e 00007555 33f792e133f792e1", 12, true},
    {"Parse", read_parse, "'s' 00 'select $1' 00 0002 00000017 00000019", 0, false},
    {"Bind", read_bind, "'p' 00 's' 00 0002 0001 0000 0002 00000004 00000001 ffffffff 0001 0001", 0,
     false},
    {"Describe", read_describe, "'P' 'portal' 00", 0, false},
    {"Execute", read_execute, "'portal' 00 00000000", 0, false},
    {"Query", read_query, "'select 1' 00", 0, false},
    {"SASLInitialResponse", read_sasl_initial, "'SCRAM-SHA-256' 00 00000004 'n,,r'", 0, false},
    {"RowDescription", read_row_description,
     "0002 'a' 00 00000000 0000 00000017 0004 ffffffff 0000 'bc' 00 00000001 0002 00000019 ffff "
     "00000008 0001",
     0, false},
    {"ParameterStatus", read_parameter, "'client_encoding' 00 'UTF8' 00", 0, false},
    {"BackendKeyData", read_key, "00007555 33f792e1", 0, true},
    {"RowDescription with tails", read_row_description_3,
     "0002 'a' 00 00000000 0000 00000017 0004 ffffffff 0000 00 00 00 00 0000 'bc' 00 00000001 0002 00000019 "
     "ffff 00000008 0001 's' 00 't' 00 'c' 00 'd' 00 1001",
     0, false},
    {"DataRow", read_data_row, "0003 00000003 'abc' ffffffff 00000000", 0, false},
    {"digest request", read_digest_request, "00000000 00000003 010203 00000002 0405", 0, false},
    {"MD5 salt", read_md5, "01020304", 0, false},
    {"NegotiateProtocolVersion", read_negotiate, "00030000 00000002 '_pq_.a' 00 '_pq_.b' 00", 0, false},
    {"compression", read_compression, "'zstd,lz4' 00", 0, false},
    {"switch of compression", read_switch, "01", 0, false},
    {"ParameterDescription", read_parameters, "0002 00000017 00000019", 0, false},
    {"NotificationResponse", read_notification, "00007555 'channel' 00 'payload' 00", 0, false},
    {"CopyInResponse", read_copy, "01 0002 0001 0000", 0, false},
    {"FunctionCallResponse", read_function_result, "00000003 'abc'", 0, false},
    {"FunctionCall", read_function_call, "00000017 0001 0001 0002 00000001 'a' ffffffff 0001", 0, false},
    {"FunctionCall, a format each", read_function_call,
     "00000017 0002 0001 0000 0002 00000001 'a' ffffffff 0001", 0, false},
    {"CopyFail", read_copy_fail, "'no' 00", 0, false},
    {"PasswordMessage", read_password, "'md5' 00", 0, false},
    {"digest", read_digest,
     "00000020 '01234567890123456789012345678901' 0000000d '1700000000000'", 0, false},
    {"ReadyForQuery", read_ready, "'I'", 0, false},
    {"CommandComplete", read_complete, "'INSERT 0 5' 00", 0, false},
    {"AuthenticationMD5Password", read_auth, "00000005 01020304", 4, true},
    {"AuthenticationSASL list", read_offers, "'SCRAM-SHA-256-PLUS' 00 'SCRAM-SHA-256' 00 00", 0, false},
    {"ErrorResponse", read_fields, "'SERROR' 00 'C42601' 00 'Msyntax error' 00 'P15' 00 00", 0, false},
};
#define SPECIMENS (sizeof specimens / sizeof specimens[0])

START_TEST(each_body_is_accepted_whole_and_refused_when_cut_anywhere_or_one_byte_longer)
{
    uint8_t raw[256];
    for (size_t i = 0; i < SPECIMENS; i++) {
        const struct specimen *m = &specimens[i];
        size_t n = unhex(raw, sizeof raw, m->hex);
        size_t shortest = m->shortest ? m->shortest : n;
        for (size_t cut = 0; cut <= n; cut++)
            ck_assert_msg(m->read(at_the_edge(raw, cut), cut) == (cut >= shortest), "%s cut to %zu",
                          m->name, cut);
        for (int more = 0; more < 256; more++) {
            raw[n] = (uint8_t)more;
            ck_assert_msg(m->read(at_the_edge(raw, n + 1), n + 1) == m->open, "%s and %02x", m->name,
                          more);
        }
    }
}
END_TEST

/* What is wanted of these is only that they return: the page behind the body and the sanitizers watch.
 */
START_TEST(no_bent_body_is_read_beyond_its_end)
{
    uint8_t raw[256];
    uint32_t seed = 11;
    unsigned accepted = 0, refused = 0;
    for (size_t i = 0; i < SPECIMENS; i++) {
        size_t n = unhex(raw, sizeof raw, specimens[i].hex);
        for (size_t at = 0; at < n; at++) {
            for (int v = 0; v < 256; v++) { /* each byte, each value, through every reader */
                uint8_t *p = guard - n;
                memcpy(p, raw, n);
                p[at] = (uint8_t)v;
                *(specimens[i].read(p, n) ? &accepted : &refused) += 1;
                *(specimens[(i + at + (size_t)v) % SPECIMENS].read(p, n) ? &accepted : &refused) += 1;
            }
        }
    }
    for (int round = 0; round < 100000; round++) {
        size_t n = (size_t)round % 48;
        uint8_t *p = guard - n;
        for (size_t k = 0; k < n; k++) {
            seed = seed * 1664525u + 1013904223u;
            p[k] = seed >> 28 < 9 ? 0 : (uint8_t)(seed >> 16); /* many zeros: counts and ends */
        }
        *(specimens[(size_t)round % SPECIMENS].read(p, n) ? &accepted : &refused) += 1;
    }
    ck_assert_uint_gt(accepted, 1000);
    ck_assert_uint_gt(refused, 1000);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("codec_bent");
    TCase *t = tcase_create("codec_bent");
    suite_add_tcase(s, t);
    tcase_add_checked_fixture(t, raise_guard, NULL);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, each_body_is_accepted_whole_and_refused_when_cut_anywhere_or_one_byte_longer);
    tcase_add_test(t, no_bent_body_is_read_beyond_its_end);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
