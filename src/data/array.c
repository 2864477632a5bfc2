/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The elements of an array, of the catalogue's one-dimensional kind, in its three forms:
 *
 *   text    {a,"b, c",NULL}, "[0:1]=" before it where the first index is not 1 (PostgreSQL documentation,
 *           "Array Input and Output Syntax")
 *   vector  1 2 3: the text of int2vector and oidvector
 *   binary  dimensions, flags, OID of the elements, {size, first index}, {length, bytes} of each
 *
 * redw_row_array() walks the whole value once, with the same steps as redw_array_next(), which therefore
 * meets nothing it could fail at.
 */
#include "data/types.h"
#include "wire/cursor.h"

enum form { FORM_TEXT, FORM_VECTOR, FORM_BINARY };

struct element {
    const char *ptr; /* NULL: SQL NULL */
    size_t len;      /* as it stands */
    size_t escapes;  /* of its bytes, how many are escapes */
};

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The last byte of a text is its closing brace (open_text), so this stops there. */
static void skip_blanks(const char **p)
{
    while (is_blank(**p))
        ++*p;
}

/* Up to and without the comma or brace behind it. Unquoted, NULL is NULL; blanks around do not count.
 * p < end. */
static bool text_element(const char **p, const char *end, struct element *e)
{
    skip_blanks(p);
    bool quoted = **p == '"';
    *p += quoted;
    *e = (struct element){.ptr = *p};
    const char *last = *p; /* behind the last character that is no blank */
    while (*p < end && (quoted ? **p != '"' : **p != ',' && **p != '}')) {
        if (!quoted && (**p == '{' || **p == '"'))
            return false;
        bool blank = !quoted && is_blank(**p);
        if (**p == '\\') { /* not the last byte, which is a brace */
            e->escapes++;
            ++*p;
        }
        ++*p;
        last = blank ? last : *p;
    }
    if (*p == end)
        return false;
    e->len = (size_t)(last - e->ptr);
    *p += quoted;
    skip_blanks(p);
    if (quoted)
        return true;
    if (e->len == 4 && memcmp(e->ptr, "NULL", 4) == 0)
        *e = (struct element){0};
    else if (e->len == 0)
        return false;
    return true;
}

/* Behind the element, its separator too; false: not an element. p < end. */
static bool next_element(enum form form, const char **p, const char *end, struct element *e)
{
    if (form == FORM_BINARY) {
        struct redwi_cursor c = redwi_cursor_of(*p, (size_t)(end - *p));
        uint32_t len = redwi_cursor_u32(&c);
        const uint8_t *bytes = len == UINT32_MAX ? NULL : redwi_cursor_bytes(&c, len);
        *e = (struct element){.ptr = (const char *)bytes, .len = bytes ? len : 0};
        *p = (const char *)c.p;
        return !c.bad;
    }
    if (form == FORM_VECTOR) {
        *e = (struct element){.ptr = *p};
        while (*p < end && **p != ' ')
            ++*p;
        e->len = (size_t)(*p - e->ptr);
        if (*p < end && ++*p == end)
            return false;
        return e->len > 0;
    }
    if (!text_element(p, end, e))
        return false;
    if (**p == ',')
        return ++*p < end;
    if (**p != '}' || *p + 1 != end)
        return false;
    *p = end;
    return true;
}

/* The braces; behind the opening one, at least one element to come or p == end. */
static int open_text(redw_array *it)
{
    const char *p = it->p_, *end = it->end_;
    if (p < end && *p == '[') {
        const char *equals = memchr(p, '=', (size_t)(end - p));
        if (!equals)
            return REDW_EPROTOCOL;
        if (memchr(p + 1, '[', (size_t)(equals - p - 1)))
            return REDW_ETYPE;
        p = equals + 1;
    }
    if (end - p < 2 || *p != '{' || end[-1] != '}')
        return REDW_EPROTOCOL;
    p++;
    skip_blanks(&p);
    if (*p == '{')
        return REDW_ETYPE; /* more than one dimension */
    it->p_ = p + 1 == end ? end : p;
    return REDW_OK;
}

/* Without a form: what is before an element may not be read (data/row.h). */
static void describe_element(redw_array *it, uint32_t oid)
{
    redwi_column_describe(&it->element, oid, -1, redwi_column_server(&it->element));
    it->element.priv_[REDWI_COLUMN_FORM] = 0;
}

static int open_binary(redw_array *it)
{
    struct redwi_cursor c = redwi_cursor_of(it->p_, (size_t)(it->end_ - it->p_));
    uint32_t dimensions = redwi_cursor_u32(&c);
    uint32_t has_null = redwi_cursor_u32(&c);
    uint32_t oid = redwi_cursor_u32(&c);
    if (c.bad || dimensions > 6 || has_null > 1)
        return REDW_EPROTOCOL;
    if (dimensions > 1)
        return REDW_ETYPE;
    if (dimensions == 1) {
        it->count = redwi_cursor_u32(&c);
        redwi_cursor_u32(&c); /* the first index */
    }
    /* The elements' type is the array's own to say. */
    describe_element(it, oid);
    it->p_ = (const char *)c.p;
    return c.bad ? REDW_EPROTOCOL : REDW_OK;
}

/* Walks all elements; the count of a text is known then, that of a binary one compared. */
static int check(const redw_array *it, enum form form, size_t room, size_t *count)
{
    const char *p = it->p_;
    bool fits = true;
    for (*count = 0; p < it->end_; ++*count) {
        struct element e;
        if (!next_element(form, &p, it->end_, &e))
            return REDW_EPROTOCOL;
        fits = fits && (e.escapes == 0 || e.len - e.escapes <= room);
    }
    return fits ? REDW_OK : REDW_EFULL;
}

static int open_array(redw_array *it, enum form form, size_t room)
{
    size_t count;
    int rc = form == FORM_TEXT ? open_text(it) : form == FORM_BINARY ? open_binary(it) : REDW_OK;
    if (rc != REDW_OK)
        return rc;
    rc = check(it, form, room, &count);
    if (rc == REDW_OK && form == FORM_BINARY && count != it->count)
        return REDW_EPROTOCOL;
    it->count = count;
    return rc;
}

int redw_row_array(const redw_row *row, size_t col, redw_array *out, char *room, size_t room_bytes)
{
    *out = (redw_array){0};
    if (col >= row->ncells)
        return REDW_ECOLUMN;
    const struct redw_column *c = (const struct redw_column *)row->priv_[0] + col;
    redw_slice s = row->cells[col];
    if (c->type != REDW_ARRAY)
        return REDW_ETYPE;
    if (!s.ptr)
        return REDW_NULL;
    enum form form = FORM_TEXT;
    if (c->binary)
        form = FORM_BINARY;
    else if (c->oid == REDWI_OID_INT2VECTOR || c->oid == REDWI_OID_OIDVECTOR)
        form = FORM_VECTOR;
    redw_array it = {
        .element = *c,
        .p_ = s.ptr,
        .end_ = s.ptr + s.len,
        .room_ = room,
        .form_ = (uint8_t)form,
    };
    describe_element(&it, redwi_oid_of_element(c->oid));
    int rc = open_array(&it, form, room_bytes);
    if (rc == REDW_OK)
        *out = it;
    return rc;
}

bool redw_array_next(redw_array *it, redw_row *element)
{
    struct element e;
    if (it->p_ == it->end_ || !next_element((enum form)it->form_, &it->p_, it->end_, &e))
        return false;
    it->cell_ = (redw_slice){e.ptr, e.len};
    if (e.escapes > 0) {
        size_t n = 0;
        for (size_t i = 0; i < e.len; i++) {
            i += e.ptr[i] == '\\';
            it->room_[n++] = e.ptr[i];
        }
        it->cell_ = (redw_slice){it->room_, n};
    }
    *element = (redw_row){.cells = &it->cell_, .ncells = 1, .priv_ = {&it->element}};
    return true;
}
