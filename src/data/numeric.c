/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NUMERIC: see the header. Everything is integer arithmetic in 128 bits, which 10^38 fits with a factor
 * of three to spare; each multiplication is checked against 10^38 before it is made.
 */
#include "data/numeric.h"

#include "data/decode.h"
#include "data/digits.h"
#include "wire/cursor.h"

__extension__ typedef unsigned __int128 u128;

#define E19    UINT64_C(10000000000000000000)
#define DIGITS REDWI_NUMERIC_DIGITS

/* Of PostgreSQL's binary form. */
enum {
    HEADER = 8,
    GROUP = 10000,
    GROUP_DIGITS = 4,
    NEGATIVE = 0x4000,
    IS_NAN = 0xc000,
    IS_PLUS_INFINITY = 0xd000,
    IS_MINUS_INFINITY = 0xf000,
    SCALE_MAX = 0x3fff,
    GROUPS_FOR_DOUBLE = 200, /* 797 digits at least: no middle between two doubles has more than 767 */
};

static const uint64_t pow10_64[20] = {
    UINT64_C(1), UINT64_C(10), UINT64_C(100), UINT64_C(1000), UINT64_C(10000), UINT64_C(100000),
    UINT64_C(1000000), UINT64_C(10000000), UINT64_C(100000000), UINT64_C(1000000000),
    UINT64_C(10000000000), UINT64_C(100000000000), UINT64_C(1000000000000), UINT64_C(10000000000000),
    UINT64_C(100000000000000), UINT64_C(1000000000000000), UINT64_C(10000000000000000),
    UINT64_C(100000000000000000), UINT64_C(1000000000000000000), E19,
};

/* 10^n, n <= 38. */
static inline u128 pow10_128(unsigned n)
{
    return n <= 19 ? pow10_64[n] : (u128)E19 * pow10_64[n - 19];
}

static inline u128 limit(void)
{
    return pow10_128(DIGITS);
}

static inline u128 integer_of(redw_decimal d)
{
    return (u128)d.hi << 64 | d.lo;
}

static inline redw_decimal decimal(u128 v, bool negative, unsigned scale)
{
    return (redw_decimal){
        .hi = (uint64_t)(v >> 64),
        .lo = (uint64_t)v,
        .scale = (uint8_t)scale,
        .negative = negative && v != 0,
    };
}

static int special(redw_decimal *out, enum redw_special what, bool negative)
{
    *out = (redw_decimal){.special = (uint8_t)what, .negative = negative};
    return REDW_OK;
}

/* v * 10^zeros / 10^scale, v < 10^38: the zeros are put in as far as 38 digits and a scale of 38
 * allow; those behind the point may be left out. */
static int fit(u128 v, bool negative, uint64_t zeros, uint64_t scale, redw_decimal *out)
{
    uint64_t out_of_scale = scale > DIGITS ? scale - DIGITS : 0;
    if (v == 0) {
        *out = decimal(0, false, (uint32_t)(scale - out_of_scale));
        return REDW_OK;
    }
    if (out_of_scale > zeros)
        return REDW_ERANGE;
    zeros -= out_of_scale;
    scale -= out_of_scale;
    for (; zeros > 0 && v < limit() / 10; zeros--)
        v *= 10;
    if (zeros > scale)
        return REDW_ERANGE;
    *out = decimal(v, negative, (uint32_t)(scale - zeros));
    return REDW_OK;
}

/* --- text --- */

/* n <= 38 digits behind those of *v. False: one is none. */
static inline bool append_digits(u128 *v, const char *p, size_t n)
{
    uint64_t fault = 0;
    for (; n > 8; p += 8, n -= 8) {
        uint64_t lanes = redwi_digits_8(p);
        fault |= redwi_digits_fault(lanes);
        *v = *v * 100000000 + redwi_digits_value(lanes);
    }
    if (n > 0) {
        uint64_t lanes = n >= 4 ? redwi_digits_4to8(p, n) : redwi_digits_1to3(p, n);
        fault |= redwi_digits_fault(lanes);
        /* cppcheck-suppress arrayIndexOutOfBoundsCond ; n <= 8 behind the loop */
        *v = *v * pow10_64[n] + redwi_digits_value(lanes);
    }
    return fault == 0;
}

static bool all_digits(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if ((unsigned)(unsigned char)p[i] - '0' > 9)
            return false;
    }
    return true;
}

/* An unsigned number: whole digits, then those of the fraction, times 10^exponent. */
struct number {
    const char *whole, *fraction;
    size_t nwhole, nfraction;
    int32_t exponent;
};

/* The rare ways: more than 38 digits as they stand, or an exponent. */
static int long_number(struct number m, bool negative, redw_decimal *out)
{
    if (!all_digits(m.whole, m.nwhole) || !all_digits(m.fraction, m.nfraction))
        return REDW_EPROTOCOL;
    int64_t scale = (int64_t)m.nfraction - m.exponent;
    int64_t zeros = 0;
    while (m.nfraction > 0 && m.fraction[m.nfraction - 1] == '0') {
        m.nfraction--;
        zeros++;
    }
    while (m.nfraction == 0 && m.nwhole > 0 && m.whole[m.nwhole - 1] == '0') {
        m.nwhole--;
        zeros++;
    }
    if (m.nwhole + m.nfraction > DIGITS)
        return REDW_ERANGE;
    u128 v = 0;
    append_digits(&v, m.whole, m.nwhole);
    append_digits(&v, m.fraction, m.nfraction);
    if (scale < 0) {
        zeros -= scale;
        scale = 0;
    }
    return fit(v, negative, (uint64_t)zeros, (uint64_t)scale, out);
}

static inline int unsigned_number(struct number m, bool negative, redw_decimal *out)
{
    for (; m.nwhole > 0 && *m.whole == '0'; m.nwhole--)
        m.whole++;
    if (m.nwhole + m.nfraction > DIGITS || m.exponent != 0)
        return long_number(m, negative, out);
    u128 v = 0;
    if (!append_digits(&v, m.whole, m.nwhole) || !append_digits(&v, m.fraction, m.nfraction))
        return REDW_EPROTOCOL;
    *out = decimal(v, negative, (unsigned)m.nfraction);
    return REDW_OK;
}

int redwi_numeric_text(const char *p, size_t n, redw_decimal *out)
{
    *out = (redw_decimal){0};
    bool negative = n > 0 && *p == '-';
    p += negative;
    n -= negative;
    if (n == 0)
        return REDW_EPROTOCOL;
    const char *dot = memchr(p, '.', n);
    struct number m = {.whole = p, .nwhole = dot ? (size_t)(dot - p) : n, .fraction = p};
    if (dot) {
        m.fraction = dot + 1;
        m.nfraction = n - m.nwhole - 1;
        if (m.nfraction == 0)
            return REDW_EPROTOCOL;
    }
    if (m.nwhole == 0)
        return REDW_EPROTOCOL;
    int rc = unsigned_number(m, negative, out);
    if (rc != REDW_EPROTOCOL)
        return rc;
    if (!negative && n == 3 && memcmp(p, "NaN", 3) == 0)
        return special(out, REDW_NAN, false);
    if (n == 8 && memcmp(p, "Infinity", 8) == 0)
        return special(out, REDW_INFINITY, negative);
    return REDW_EPROTOCOL;
}

/* --- PostgreSQL's binary form --- */

struct groups {
    const uint8_t *p;
    size_t n;
    int32_t weight;
    uint16_t sign;
    uint16_t scale;
};

static uint16_t group(const struct groups *g, size_t i)
{
    return redwi_load16(g->p + 2 * i);
}

/* Checks the layout; zero groups at both ends are left out, which the server does itself. */
static bool groups_read(const char *p, size_t n, struct groups *g)
{
    const uint8_t *b = (const uint8_t *)p;
    if (n < HEADER)
        return false;
    *g = (struct groups){
        .p = b + HEADER,
        .n = redwi_load16(b),
        .weight = (int16_t)redwi_load16(b + 2),
        .sign = redwi_load16(b + 4),
        .scale = redwi_load16(b + 6),
    };
    if (n - HEADER != 2 * g->n || (g->scale & ~SCALE_MAX) != 0)
        return false;
    for (size_t i = 0; i < g->n; i++) {
        if (group(g, i) >= GROUP)
            return false;
    }
    for (; g->n > 0 && group(g, 0) == 0; g->n--, g->p += 2)
        g->weight--;
    while (g->n > 0 && group(g, g->n - 1) == 0)
        g->n--;
    return true;
}

/* How an integer of groups becomes one of the announced scale: times 10^zeros, or without so many digits. Division
 * is a shift and the product with the inverse of 5^-zeros modulo 2^64, which is small only where nothing is left. */
#define INVERSE_5 UINT64_C(0xcccccccccccccccd)
#define DROPPED(zeros, inverse, five) {inverse, UINT64_MAX, UINT64_MAX / (five), (1u << (zeros)) - 1, zeros}
#define PUT(zeros) {UINT64_C(1##zeros), UINT64_MAX / UINT64_C(1##zeros), UINT64_MAX, 0, 0}
enum { ZEROS_MIN = -3, ZEROS_MAX = 7 };
static const struct rescale {
    uint64_t factor, v_max, result_max;
    unsigned odd; /* bits that are none of a multiple of 2^shift */
    unsigned shift;
} rescales[] = {
    DROPPED(3, INVERSE_5 * INVERSE_5 * INVERSE_5, 125), DROPPED(2, INVERSE_5 * INVERSE_5, 25), DROPPED(1, INVERSE_5, 5),
    PUT(), PUT(0), PUT(00), PUT(000), PUT(0000), PUT(00000), PUT(000000), PUT(0000000),
};

/* One to four groups, as most numbers have: in one word, whatever their number, 90 instructions where the general
 * way takes 290. False says nothing, so of zero and of what is no number. */
static inline bool few_groups(const char *p, size_t n, redw_decimal *out)
{
    if (n - (HEADER + 2) > 6)
        return false;
    uint64_t head = redwi_load64((const uint8_t *)p);
    unsigned ngroups = (unsigned)(n - HEADER) / 2, scale = (unsigned)head & 0xffff, sign = (unsigned)head >> 16;
    int32_t zeros = GROUP_DIGITS * ((int16_t)(head >> 32) - (int32_t)ngroups + 1) + (int32_t)scale;
    uint64_t lanes = redwi_load64((const uint8_t *)p + n - 8) & UINT64_MAX >> (64 - 16 * ngroups);
    /* A lane's top bit shows 10,000 and more. */
    uint64_t fault = (lanes | (lanes + UINT64_C(0x58f058f058f058f0))) & UINT64_C(0x8000800080008000);
    if (fault != 0 || (uint16_t)(head >> 48) != ngroups || n % 2 != 0 || scale > DIGITS ||
        (sign | NEGATIVE) != NEGATIVE || (uint32_t)(zeros - ZEROS_MIN) > ZEROS_MAX - ZEROS_MIN)
        return false;
    uint64_t pairs = (lanes & UINT64_C(0x0000ffff0000ffff)) + (lanes >> 16 & UINT64_C(0x0000ffff0000ffff)) * GROUP;
    uint64_t v = (pairs >> 32) * (GROUP * GROUP) + (pairs & UINT32_MAX);
    const struct rescale *r = &rescales[zeros - ZEROS_MIN];
    uint64_t result = (v >> r->shift) * r->factor;
    if (v == 0 || v > r->v_max || (v & r->odd) != 0 || result > r->result_max)
        return false;
    *out = (redw_decimal){.lo = result, .scale = (uint8_t)scale, .negative = sign != 0};
    return true;
}

/* Apart, so that few groups save no register. */
static __attribute__((noinline)) int any_groups(const char *p, size_t n, redw_decimal *out)
{
    struct groups g;
    *out = (redw_decimal){0};
    if (!groups_read(p, n, &g))
        return REDW_EPROTOCOL;
    switch (g.sign) {
    case 0:
    case NEGATIVE:
        break;
    case IS_NAN:
        return special(out, REDW_NAN, false);
    case IS_PLUS_INFINITY:
        return special(out, REDW_INFINITY, false);
    case IS_MINUS_INFINITY:
        return special(out, REDW_INFINITY, true);
    default:
        return REDW_EPROTOCOL;
    }
    if (g.n == 0)
        return fit(0, false, 0, g.scale, out);
    /* The last group without its zeros, so that nothing is shifted further than its digits ask for. */
    unsigned last = group(&g, g.n - 1), last_digits = GROUP_DIGITS;
    for (; last % 10 == 0; last_digits--)
        last /= 10;
    int32_t zeros = GROUP_DIGITS * (g.weight - (int32_t)g.n + 2) - (int32_t)last_digits + g.scale;
    if (zeros < 0)
        return REDW_EPROTOCOL; /* digits behind the announced scale */
    u128 v = 0;
    for (size_t i = 0; i + 1 < g.n; i++) {
        if (v >= limit() / GROUP)
            return REDW_ERANGE;
        v = v * GROUP + group(&g, i);
    }
    if (v >= limit() / pow10_64[last_digits])
        return REDW_ERANGE;
    v = v * pow10_64[last_digits] + last;
    return fit(v, g.sign == NEGATIVE, (uint64_t)zeros, g.scale, out);
}

int redwi_numeric_postgres(const char *p, size_t n, redw_decimal *out)
{
    return few_groups(p, n, out) ? REDW_OK : any_groups(p, n, out);
}

/* Four digits to p. */
static void write_group(char *p, unsigned v)
{
    for (int i = GROUP_DIGITS - 1; i >= 0; i--, v /= 10)
        p[i] = (char)('0' + v % 10);
}

/* The digits as text, "-123412341234e-40", which float_text.c rounds correctly. Of a very long number
 * the rest is one digit that stands for "and something": it can decide the middle between two
 * doubles, where the digits before it do not. */
static int long_double(const struct groups *g, double *out)
{
    char text[1 + GROUP_DIGITS * GROUPS_FOR_DOUBLE + 1 + 8];
    size_t n = g->n < GROUPS_FOR_DOUBLE ? g->n : GROUPS_FOR_DOUBLE, at = 0;
    int32_t exponent = GROUP_DIGITS * (g->weight - (int32_t)n + 1);
    if (g->sign == NEGATIVE)
        text[at++] = '-';
    for (size_t i = 0; i < n; i++, at += GROUP_DIGITS)
        write_group(text + at, group(g, i));
    if (n < g->n) {
        text[at++] = '1';
        exponent--;
    }
    text[at++] = 'e';
    unsigned size = (unsigned)(exponent < 0 ? -exponent : exponent); /* six digits */
    text[at++] = exponent < 0 ? '-' : '+';
    for (unsigned place = 100000; place > 0; place /= 10)
        text[at++] = (char)('0' + size / place % 10);
    return redwi_text_double(text, at, out);
}

int redwi_numeric_postgres_double(const char *p, size_t n, double *out)
{
    struct groups g;
    *out = 0;
    if (!groups_read(p, n, &g))
        return REDW_EPROTOCOL;
    switch (g.sign) {
    case 0:
    case NEGATIVE:
        return g.n > 0 ? long_double(&g, out) : REDW_OK;
    case IS_NAN:
        *out = __builtin_nan("");
        return REDW_OK;
    case IS_PLUS_INFINITY:
        *out = __builtin_inf();
        return REDW_OK;
    case IS_MINUS_INFINITY:
        *out = -__builtin_inf();
        return REDW_OK;
    default:
        return REDW_EPROTOCOL;
    }
}

static uint16_t next_group(const char *digits, size_t n)
{
    uint16_t v = 0;
    for (size_t i = 0; i < n; i++)
        v = (uint16_t)(v * 10 + (unsigned)(digits[i] - '0'));
    return v;
}

/* The groups of a number that is finite. Its digits as text are cut into fours on both sides of the
 * point. */
static size_t groups_of(redw_decimal d, uint16_t out[(DIGITS + 6) / GROUP_DIGITS + 1], int32_t *weight)
{
    char text[REDW_DECIMAL_CHARS], digits[DIGITS + 2 + GROUP_DIGITS] = {0};
    size_t n = 0, ngroups = 0;
    d.negative = false;
    redw_decimal_text(d, text);
    for (const char *p = text; *p; p++) {
        if (*p != '.')
            digits[n++] = *p;
    }
    size_t nwhole = n - d.scale, at = nwhole % GROUP_DIGITS;
    while (n < nwhole + (d.scale + 3U) / GROUP_DIGITS * GROUP_DIGITS)
        digits[n++] = '0';
    *weight = (int32_t)((nwhole + 3) / GROUP_DIGITS) - 1;
    if (at > 0)
        out[ngroups++] = next_group(digits, at);
    for (; at < n; at += GROUP_DIGITS)
        out[ngroups++] = next_group(digits + at, GROUP_DIGITS);
    return ngroups;
}

void redwi_numeric_put_postgres(struct redwi_buf *b, redw_decimal d)
{
    uint16_t groups[(DIGITS + 6) / GROUP_DIGITS + 1], sign = d.negative ? NEGATIVE : 0;
    int32_t weight = 0;
    size_t n = 0, first = 0;
    if (d.special == REDW_NAN) {
        sign = IS_NAN;
    } else if (d.special == REDW_INFINITY) {
        sign = d.negative ? IS_MINUS_INFINITY : IS_PLUS_INFINITY;
    } else if (integer_of(d) != 0) {
        n = groups_of(d, groups, &weight);
        for (; groups[first] == 0; first++)
            weight--;
        while (groups[n - 1] == 0)
            n--;
    }
    redwi_buf_u16(b, (uint16_t)(n - first));
    redwi_buf_u16(b, (uint16_t)weight);
    redwi_buf_u16(b, sign);
    redwi_buf_u16(b, d.special == REDW_FINITE ? d.scale : 0);
    for (; first < n; first++)
        redwi_buf_u16(b, groups[first]);
}

/* --- Redshift's binary form --- */

int redwi_numeric_redshift(const char *p, size_t n, unsigned scale, redw_decimal *out)
{
    const uint8_t *b = (const uint8_t *)p;
    *out = (redw_decimal){0};
    if ((n != 8 && n != 16) || scale > DIGITS)
        return REDW_EPROTOCOL;
    uint64_t lo = redwi_load64(b + n - 8);
    bool negative = *b >= 0x80;
    uint64_t hi = n == 16 ? redwi_load64(b) : negative ? UINT64_MAX : 0;
    u128 v = (u128)hi << 64 | lo;
    if (negative)
        v = -v;
    if (v >= limit())
        return REDW_ERANGE;
    *out = decimal(v, negative, scale);
    return REDW_OK;
}

void redwi_numeric_put_redshift(struct redwi_buf *b, redw_decimal d)
{
    u128 v = integer_of(d);
    /* 18 digits go into 8 bytes, and so does the declared type that has no more. */
    bool narrow = d.precision > 0 ? d.precision <= 18 : v < pow10_64[18];
    if (d.negative)
        v = -v;
    if (!narrow)
        redwi_buf_u64(b, (uint64_t)(v >> 64));
    redwi_buf_u64(b, (uint64_t)v);
}

/* --- values --- */

redw_decimal redwi_numeric_of_int64(int64_t v)
{
    return decimal(v < 0 ? 0 - (uint64_t)v : (uint64_t)v, v < 0, 0);
}

double redwi_numeric_to_double(redw_decimal d)
{
    char text[REDW_DECIMAL_CHARS];
    double v = 0;
    redw_decimal_text(d, text);
    (void)redwi_text_double(text, strlen(text), &v); /* 38 digits are in range */
    return v;
}

const char *redwi_numeric_fault(redw_decimal d)
{
    u128 v = integer_of(d);
    if (d.special > REDW_INFINITY || d.scale > DIGITS)
        return "not a decimal: its scale or kind is none";
    if (d.special != REDW_FINITE)
        return v == 0 ? NULL : "not a decimal: NaN or infinity with digits";
    if (v >= limit())
        return "more than 38 digits";
    if (d.precision == 0)
        return NULL;
    if (d.precision > DIGITS || d.precision < d.scale)
        return "not a decimal: its precision is below its scale or above 38";
    return v < pow10_128(d.precision) ? NULL : "more digits than its precision";
}

char *redw_decimal_text(redw_decimal d, char buf[REDW_DECIMAL_CHARS])
{
    char digits[DIGITS + 1], *at = buf;
    u128 v = integer_of(d);
    if (d.special == REDW_NAN)
        return memcpy(buf, "NaN", 4);
    if (d.special == REDW_INFINITY)
        return d.negative ? memcpy(buf, "-Infinity", 10) : memcpy(buf, "Infinity", 9);
    if (v >= limit() || d.scale > DIGITS || d.special != REDW_FINITE)
        return memcpy(buf, "?", 2);
    uint64_t low = (uint64_t)(v % E19), high = (uint64_t)(v / E19);
    for (int i = DIGITS; i > DIGITS - 19; i--, low /= 10)
        digits[i] = (char)('0' + low % 10);
    for (int i = DIGITS - 19; i >= 0; i--, high /= 10)
        digits[i] = (char)('0' + high % 10);
    /* 39 places: one digit at least stands before the point. */
    const char *from = digits, *point = digits + DIGITS + 1 - d.scale;
    while (from + 1 < point && *from == '0')
        from++;
    if (d.negative && v != 0)
        *at++ = '-';
    memcpy(at, from, (size_t)(point - from));
    at += point - from;
    if (d.scale > 0) {
        *at++ = '.';
        memcpy(at, point, d.scale);
        at += d.scale;
    }
    *at = '\0';
    return buf;
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Without regard to case, and to the locale. word is lower case. */
static bool is_word(const char *p, size_t n, const char *word)
{
    if (strlen(word) != n)
        return false;
    for (size_t i = 0; i < n; i++) {
        if ((p[i] | 0x20) != word[i])
            return false;
    }
    return true;
}

/* [sign]digits, to the end; what lies beyond +-10^6 stays there. */
static bool read_exponent(const char *p, const char *end, int32_t *out)
{
    bool negative = p < end && *p == '-';
    p += p < end && (*p == '-' || *p == '+');
    if (p == end || !all_digits(p, (size_t)(end - p)))
        return false;
    for (; p < end && *out < 1000000; p++)
        *out = *out * 10 + (*p - '0');
    *out = negative ? -*out : *out;
    return true;
}

/* [digits][.digits][e[sign]digits], with a digit on one side of the point at least. */
static int written_number(const char *p, const char *end, bool negative, redw_decimal *out)
{
    struct number m = {.whole = p};
    while (p < end && *p >= '0' && *p <= '9')
        p++;
    m.nwhole = (size_t)(p - m.whole);
    p += p < end && *p == '.';
    m.fraction = p;
    while (p < end && *p >= '0' && *p <= '9')
        p++;
    m.nfraction = (size_t)(p - m.fraction);
    if (m.nwhole + m.nfraction == 0)
        return REDW_EINVAL;
    if (p < end && ((*p | 0x20) != 'e' || !read_exponent(p + 1, end, &m.exponent)))
        return REDW_EINVAL;
    return unsigned_number(m, negative, out);
}

int redw_decimal_parse(const char *text, redw_decimal *out)
{
    *out = (redw_decimal){0};
    if (!text)
        return REDW_EINVAL;
    const char *p = text, *end = text + strlen(text);
    while (p < end && is_blank(*p))
        p++;
    while (end > p && is_blank(end[-1]))
        end--;
    bool sign = p < end && (*p == '-' || *p == '+'), negative = sign && *p == '-';
    p += sign;
    if (!sign && is_word(p, (size_t)(end - p), "nan"))
        return special(out, REDW_NAN, false);
    if (is_word(p, (size_t)(end - p), "infinity") || is_word(p, (size_t)(end - p), "inf"))
        return special(out, REDW_INFINITY, negative);
    return written_number(p, end, negative, out);
}

int redw_decimal_scaled(redw_decimal d, unsigned scale, int64_t *out)
{
    u128 v = integer_of(d), most = (u128)INT64_MAX + d.negative;
    *out = 0;
    if (d.special != REDW_FINITE || v >= limit() || d.scale > DIGITS)
        return REDW_ERANGE;
    if (v == 0)
        return REDW_OK;
    if (scale < d.scale) {
        u128 by = pow10_128(d.scale - scale);
        if (v % by != 0)
            return REDW_ERANGE;
        v /= by;
    } else {
        unsigned up = scale - d.scale;
        if (up > 19 || v > most / pow10_64[up])
            return REDW_ERANGE;
        v *= pow10_64[up];
    }
    if (v > most)
        return REDW_ERANGE;
    *out = (int64_t)(d.negative ? 0 - (uint64_t)v : (uint64_t)v);
    return REDW_OK;
}
