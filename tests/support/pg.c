/* SPDX-License-Identifier: Apache-2.0 */
#include "support/pg.h"

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct pg_server server;
static pid_t owner;      /* the process that started it: its forks leave it alone; 0: nobody here did */
static char script[512];

static void fail(const char *what, const char *detail)
{
    fprintf(stderr, "pg: %s %s\n", what, detail);
    exit(1);
}

/* scripts/pg.sh, found upward from this program. */
static void find_script(void)
{
    char path[400];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    path[n > 0 ? n : 0] = '\0';
    for (char *slash; (slash = strrchr(path, '/')) != NULL; *slash = '\0') {
        snprintf(script, sizeof script, "%.*s/scripts/pg.sh", (int)(slash - path), path);
        if (access(script, X_OK) == 0)
            return;
    }
    fail("scripts/pg.sh was not found above", "this program");
}

static int run_script(const char *command, const char *dir, const char *pid)
{
    pid_t child = fork();
    if (child < 0)
        return -1;
    if (child == 0) {
        /* What it prints is in DIR/env too. */
        if (freopen("/dev/null", "w", stdout) != NULL)
            execl(script, script, command, dir, pid, (char *)NULL);
        _exit(127);
    }
    int status;
    return waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void stop(void)
{
    if (getpid() == owner)
        run_script("stop", server.dir, NULL);
}

static void start(void)
{
    find_script();
    /* build/pg beside scripts: the same file system as the cached cluster, and `make clean` knows it. */
    char *cut = strstr(script, "/scripts/pg.sh");
    snprintf(server.dir, sizeof server.dir, "%.*s/build/pg", (int)(cut - script), script);
    if (access(server.dir, W_OK) == 0)
        snprintf(server.dir, sizeof server.dir, "%.*s/build/pg/test.XXXXXX", (int)(cut - script), script);
    else
        snprintf(server.dir, sizeof server.dir, "/tmp/redw-test.XXXXXX");
    if (mkdtemp(server.dir) == NULL)
        fail("no directory for a server:", server.dir);
    char pid[16];
    snprintf(pid, sizeof pid, "%ld", (long)getpid());
    owner = getpid();
    atexit(stop);
    if (run_script("start", server.dir, pid) != 0 || run_script("bouncer", server.dir, NULL) != 0)
        fail("the server did not start in", server.dir);
}

static void read_file(const char *name, bool optional)
{
    static const struct {
        const char *key;
        char *out;
        size_t cap;
    } fields[] = {
#define FIELD(key, member) {key, server.member, sizeof server.member}
        FIELD("PGPORT", port),         FIELD("SOCKDIR", sockdir),
        FIELD("CAFILE", cafile),       FIELD("OTHERCA", otherca),
        FIELD("USER", user),           FIELD("PASSWORD", password),
        FIELD("DATABASE", database),   FIELD("URI", uri),
        FIELD("PLAINURI", plainuri),   FIELD("UNIXURI", unixuri),
        FIELD("MD5URI", md5uri),       FIELD("CLEARURI", clearuri),
        FIELD("CERTURI", certuri),
        FIELD("ADMINURI", adminuri),   FIELD("BOUNCERPORT", bouncerport),
        FIELD("BOUNCERURI", bounceruri), FIELD("BOUNCERPLAINURI", bouncerplainuri),
    };
    char path[600], line[4096];
    snprintf(path, sizeof path, "%s/%s", server.dir, name);
    FILE *f = fopen(path, "r");
    if (f == NULL && optional)
        return;
    if (f == NULL)
        fail("cannot read", path);
    while (fgets(line, sizeof line, f) != NULL) {
        char *equals = strchr(line, '=');
        char *quote = strrchr(line, '\'');
        if (equals == NULL || quote == NULL || quote <= equals + 1)
            fail("not KEY='VALUE' in", path);
        *equals = *quote = '\0';
        for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
            if (strcmp(fields[i].key, line) == 0)
                snprintf(fields[i].out, fields[i].cap, "%s", equals + 2);
    }
    fclose(f);
}

const struct pg_server *pg_server(void)
{
    if (server.port[0] != '\0')
        return &server;
    const char *dir = getenv("REDW_TEST_PG");
    if (dir != NULL && dir[0] != '\0')
        snprintf(server.dir, sizeof server.dir, "%s", dir);
    else
        start();
    read_file("env", false);
    read_file("bouncer.env", true);
    const char *at = strchr(server.uri, '@');
    if (at == NULL)
        fail("no user in", server.uri);
    snprintf(server.fulluri, sizeof server.fulluri, "%.*s:%s%s", (int)(at - server.uri), server.uri,
             server.password, at);
    return &server;
}

const char *pg_uri(void)
{
    return pg_server()->fulluri;
}

/* Runs sql on a connection of its own; the last value, or 0 without one. */
static long run(const char *sql)
{
    PGconn *c = PQconnectdb(pg_uri());
    PGresult *r = PQexec(c, sql);
    if (PQresultStatus(r) != PGRES_COMMAND_OK && PQresultStatus(r) != PGRES_TUPLES_OK)
        fail(sql, PQerrorMessage(c));
    long value = PQntuples(r) > 0 && PQnfields(r) > 0 ? strtol(PQgetvalue(r, 0, 0), NULL, 10) : 0;
    PQclear(r);
    PQfinish(c);
    return value;
}

void pg_sql(const char *sql)
{
    run(sql);
}

long pg_number(const char *sql)
{
    return run(sql);
}
