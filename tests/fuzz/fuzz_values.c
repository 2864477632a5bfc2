/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cells. Three bytes choose the column and the member it goes into: which type; which server, format and
 * member; a modifier. The rest is the value. Every getter reads it: what it cannot read it leaves zeroed.
 * An array is walked, and its elements read likewise, each by some of the getters in turn.
 */
#include "data/row.h"
#include "data/types.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static bool equal(const redw_decimal *a, const redw_decimal *b)
{
    return a->hi == b->hi && a->lo == b->lo && a->scale == b->scale && a->precision == b->precision &&
           a->negative == b->negative && a->special == b->special;
}

static const uint32_t oids[] = {16,   17,   18,   20,   21,   22,   23,   25,   26,   30,
                                114,  700,  701,  702,  1005, 1007, 1009, 1034, 1042, 1043,
                                1082, 1083, 1114, 1184, 1186, 1188, 1190, 1231, 1266, 1700,
                                2935, 2950, 3000, 3001, 3802, 3999, 4000, 6551, 869,  99999};

struct all {
    bool b;
    int32_t i32;
    int64_t i64;
    double d;
    redw_decimal n;
    redw_date date;
    redw_time time;
    redw_timetz timetz;
    redw_timestamp ts;
    redw_timestamptz tstz;
    redw_interval iv;
    redw_slice s;
    char chars[8];
    bool null;
};
static const struct redw_field fields[] = {
    REDW_FIELD(struct all, b),
    REDW_FIELD(struct all, i32),
    REDW_FIELD(struct all, i64),
    REDW_FIELD(struct all, d),
    REDW_FIELD_OR_NULL(struct all, n, null),
    REDW_FIELD(struct all, date),
    REDW_FIELD(struct all, time),
    REDW_FIELD(struct all, timetz),
    REDW_FIELD(struct all, ts),
    REDW_FIELD(struct all, tstz),
    REDW_FIELD(struct all, iv),
    REDW_FIELD(struct all, s),
    REDW_FIELD_OR_NULL(struct all, chars, null),
};

static void read_numbers(const redw_row *row)
{
    bool b = true;
    int32_t i = 7;
    int64_t n = 7, again;
    double d = 7;
    redw_decimal dec = {.lo = 7};
    int rb = redw_row_bool(row, 0, &b), ri = redw_row_int32(row, 0, &i), rn = redw_row_int64(row, 0, &n);
    int rd = redw_row_double(row, 0, &d), rdec = redw_row_decimal(row, 0, &dec);
    must(rb == REDW_OK || !b);
    must(ri == REDW_OK ? rn == REDW_OK && n == i : i == 0);
    must(rn == REDW_OK || n == 0);
    must(rd == REDW_OK || d == 0);
    must(rdec == REDW_OK || (dec.hi == 0 && dec.lo == 0 && dec.scale == 0 && dec.special == 0));
    if (rdec == REDW_OK && rn == REDW_OK)
        must(redw_decimal_scaled(dec, 0, &again) == REDW_OK && again == n);
}

static void read_times(const redw_row *row)
{
    redw_date date = {7};
    redw_time t = {7};
    redw_timetz tz = {7, 7};
    redw_timestamp ts = {7};
    redw_timestamptz tstz = {7};
    redw_interval iv = {7, 7, 7};
    char text[REDW_INTERVAL_CHARS];
    must(redw_row_date(row, 0, &date) == REDW_OK ? *redw_date_text(date, text) != '?' : date.days == 0);
    must(redw_row_time(row, 0, &t) == REDW_OK ? *redw_time_text(t, text) != '?' : t.us == 0);
    must(redw_row_timetz(row, 0, &tz) == REDW_OK ? *redw_timetz_text(tz, text) != '?'
                                                 : tz.us == 0 && tz.offset_s == 0);
    must(redw_row_timestamp(row, 0, &ts) == REDW_OK ? *redw_timestamp_text(ts, text) != '?'
                                                    : ts.us == 0);
    must(redw_row_timestamptz(row, 0, &tstz) == REDW_OK ? *redw_timestamptz_text(tstz, text) != '?'
                                                        : tstz.us == 0);
    must(redw_row_interval(row, 0, &iv) == REDW_OK ? *redw_interval_text(iv, text) != '?'
                                                   : iv.months == 0 && iv.days == 0 && iv.us == 0);
}

/* room: as long as the cell. */
static void read_bytes(const redw_row *row, char *room)
{
    size_t n = row->cells[0].len;
    uint8_t uuid[16];
    redw_slice s, view;
    int rc = redw_row_bytes(row, 0, room, n, &s);
    must(rc != REDW_EFULL && (rc == REDW_OK ? s.ptr && s.len <= n : !s.ptr && s.len == 0));
    if (rc == REDW_OK && s.len > 0) {
        int again = redw_row_bytes(row, 0, room, s.len - 1, &view);
        must(again == REDW_OK || (again == REDW_EFULL && view.len == s.len && !view.ptr));
    }
    (void)!redw_row_uuid(row, 0, uuid);
    rc = redw_row_text(row, 0, &view);
    must(rc == REDW_OK ? view.len <= n : !view.ptr && view.len == 0);
}

static void read_array(const redw_row *row, char *room, char *element_room)
{
    size_t n = row->cells[0].len, count = 0;
    redw_array it;
    redw_row element;
    if (redw_row_array(row, 0, &it, room, n) == REDW_OK) {
        while (redw_array_next(&it, &element)) {
            if (count % 3 == 0)
                read_numbers(&element);
            else if (count % 3 == 1)
                read_times(&element);
            else
                read_bytes(&element, element_room);
            count++;
        }
        must(count == it.count);
    }
}

/* The getters' own ways into cells of results say what the others do. */
static void must_agree(const redw_row *row, const redw_row *element)
{
    struct {
        bool b;
        int32_t i;
        int64_t n;
        double d;
        redw_decimal dec;
        redw_slice s;
    } led, plain;
    must(redw_row_bool(row, 0, &led.b) == redw_row_bool(element, 0, &plain.b) && led.b == plain.b);
    must(redw_row_int32(row, 0, &led.i) == redw_row_int32(element, 0, &plain.i) && led.i == plain.i);
    must(redw_row_int64(row, 0, &led.n) == redw_row_int64(element, 0, &plain.n) && led.n == plain.n);
    must(redw_row_double(row, 0, &led.d) == redw_row_double(element, 0, &plain.d) &&
         memcmp(&led.d, &plain.d, sizeof led.d) == 0);
    must(redw_row_decimal(row, 0, &led.dec) == redw_row_decimal(element, 0, &plain.dec) &&
         equal(&led.dec, &plain.dec));
    must(redw_row_text(row, 0, &led.s) == redw_row_text(element, 0, &plain.s) && led.s.ptr == plain.s.ptr &&
         led.s.len == plain.s.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3)
        return 0;
    struct redw_column c = {.name = "x", .binary = (data[1] & 1) != 0};
    redwi_column_describe(&c, oids[data[0] % (sizeof oids / sizeof *oids)],
                          data[2] == 0 ? -1 : data[2] * 65540, (enum redwi_server)(data[1] / 2 % 3));
    /* As in the receive buffer: more may follow behind the value, and a NUL does not. */
    size_t n = size - 3;
    char *block = malloc(REDWI_LEAD + n), *value = block + REDWI_LEAD, *room = malloc(n ? n : 1), *element_room = malloc(n ? n : 1);
    must(block && room && element_room);
    memset(block, '9', REDWI_LEAD);
    memcpy(value, data + 3, n);
    redw_slice cell = {value, n};
    struct redwi_rowset set = {.columns = &c, .ncolumns = 1, .first = &cell};
    redw_row row = {.cells = &cell, .ncells = 1, .priv_ = {&c, &set}};
    read_numbers(&row);
    read_times(&row);
    read_bytes(&row, room);
    read_array(&row, room, element_room);
    struct redw_column formless = c;
    formless.priv_[REDWI_COLUMN_FORM] = 0;
    redw_row element = {.cells = &cell, .ncells = 1, .priv_ = {&formless}};
    read_numbers(&element);
    must_agree(&row, &element);
    const struct redw_field *field = &fields[data[1] / 6 % (sizeof fields / sizeof *fields)];
    struct all v;
    struct redw_diag why = {0};
    c.name = field->column;
    int rc = redw_row_into(&row, field, 1, &v, &why);
    must(rc == REDW_OK ? !*why.text : *why.text && why.code == rc);
    free(block);
    free(room);
    free(element_room);
    return 0;
}
