/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The PostgreSQL server of the tests. scripts/pg.sh does the work and says what the fields mean; this
 * reads what it wrote.
 *
 * REDW_TEST_PG names the directory of a server that runs already (scripts/with_pg.sh: one for the whole
 * test run). Otherwise the first call of pg_server() starts one for this program, which ends with it:
 * call it in main, before the test runner forks.
 */
#ifndef TESTS_SUPPORT_PG_H
#define TESTS_SUPPORT_PG_H

struct pg_server {
    char dir[512];
    char port[8], sockdir[256], cafile[512], otherca[512];
    char user[32], password[64], database[32];
    char uri[1024];       /* TLS, verified by name */
    char plainuri[1024];  /* TCP without TLS */
    char unixuri[1024];   /* unix socket */
    char md5uri[1024], clearuri[1024]; /* TLS; login by MD5, by cleartext password */
    char certuri[2048];   /* TLS; login by client certificate */
    char adminuri[1024];  /* superuser, unix socket, no password */
    char fulluri[1100];   /* uri, the password in it */
    char bouncerport[8], bounceruri[1024], bouncerplainuri[1024]; /* through PgBouncer; "" without one */
};

/* Never NULL: without a server the program ends with a message and status 1. */
const struct pg_server *pg_server(void);

/* Its URI, TLS verified, password included. */
const char *pg_uri(void);

/* Runs statements as role redw through libpq; the program ends with a message if one fails. */
void pg_sql(const char *sql);

/* The one value of a statement run so, as a number. */
long pg_number(const char *sql);

#endif
