#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A private PostgreSQL, and a PgBouncer in front of it, for tests, bench and demo.
#
#   pg.sh start DIR [OWNER_PID]     starts a server that lives in DIR; prints and writes DIR/env
#   pg.sh bouncer DIR [OWNER_PID]   starts a PgBouncer to the server of DIR; prints and writes DIR/bouncer.env
#   pg.sh stop DIR                  stops both and removes DIR
#
# What is printed are KEY='VALUE' lines for `eval`, or to be read line by line:
#   PGPORT SOCKDIR CAFILE OTHERCA USER PASSWORD DATABASE   and URIs without password:
#   URI      TLS, verified; OTHERCA is a certificate authority that has signed nothing
#   PLAINURI role `plain`, the only one that may come without TLS; same password, as all roles
#   UNIXURI  role `redw` over the unix socket
#   MD5URI, CLEARURI   roles whose login is MD5 or cleartext, over TLS
#   CERTURI  role redw_cert, who comes in by a client certificate and has no password
#   ADMINURI superuser over the unix socket, no password
#
# Nothing it did not start is touched: servers are found by a pid that DIR recorded and whose command
# line names DIR. They end by `stop`, when OWNER_PID ends, or after REDW_PG_LIFETIME seconds (default
# 3,600), whichever is first.
#
# PostgreSQL and PgBouncer refuse to run as root. As root they run in a user namespace of their own
# (works below directories only root may enter), or, where that is not permitted, as another user with
# all files below /tmp. REDW_PG_AS=self|unshare|runuser overrides the choice. REDW_PG_CACHE: where the
# initialised cluster is kept between starts; default build/pg-cache.
set -euo pipefail
umask 077
export LC_ALL=C

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
self=$top/scripts/pg.sh
lifetime=${REDW_PG_LIFETIME:-3600}

die() { echo "pg.sh: $*" >&2; exit 1; }

find_programs() {
    local candidate
    if [ -z "${PG_BIN:-}" ]; then
        for candidate in /usr/lib/postgresql/15/bin /usr/lib/postgresql/*/bin; do
            [ -x "$candidate/initdb" ] && PG_BIN=$candidate && break
        done
    fi
    [ -x "${PG_BIN:-}/initdb" ] || die "no PostgreSQL server found (Debian package postgresql-15)"
}

# Sets `as` (the words before a server's command) and `how`.
choose_user() {
    how=${REDW_PG_AS:-}
    if [ -z "$how" ]; then
        if [ "$(id -u)" != 0 ]; then how=self
        elif unshare -U --map-user=1000 true 2>/dev/null; then how=unshare
        else how=runuser; fi
    fi
    case $how in
    self) as=() ;;
    unshare) as=(unshare -U --map-user=1000 --) ;;
    runuser)
        other=nobody
        id postgres >/dev/null 2>&1 && other=postgres
        as=(runuser -u "$other" --) ;;
    *) die "REDW_PG_AS=$how is not known" ;;
    esac
}

# For the user part of runuser: gives a tree to the user who runs the servers.
hand_over() { if [ "$how" = runuser ]; then chown -R "$other" "$@"; fi; }

# Percent-encodes a path for a URI.
encode() {
    local in=$1 out='' c i
    for ((i = 0; i < ${#in}; i++)); do
        c=${in:i:1}
        case $c in [a-zA-Z0-9/._~-]) out+=$c ;; *) out+=$(printf '%%%02X' "'$c") ;; esac
    done
    printf %s "$out"
}

free_port() { shuf -i 10240-32000 -n 1; } # below the ephemeral range; who starts tries again if it is taken

say() { # KEY VALUE -> one line
    case $2 in *\'*) die "a path holds a quote: $2" ;; esac
    printf "%s='%s'\n" "$1" "$2"
}

# --- certificates: a CA, the server's for localhost, a client's, and a CA that has signed nothing -------

make_certificates() { # DIR
    local d=$1
    mkdir -p "$d"
    local key=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -sha256)
    local name
    for name in ca other-ca; do
        openssl req -x509 "${key[@]}" -keyout "$d/$name.key" -out "$d/$name.pem" -days 3650 \
            -subj "/CN=redw test $name" -addext "keyUsage=critical,keyCertSign,cRLSign" 2>/dev/null
    done
    openssl req "${key[@]}" -keyout "$d/server.key" -out "$d/server.csr" -subj "/CN=localhost" 2>/dev/null
    printf '%s\n' "basicConstraints=CA:FALSE" "keyUsage=digitalSignature" "extendedKeyUsage=serverAuth" \
        "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1" >"$d/server.ext"
    openssl x509 -req -in "$d/server.csr" -CA "$d/ca.pem" -CAkey "$d/ca.key" -CAcreateserial -days 3650 \
        -sha256 -extfile "$d/server.ext" -out "$d/server.pem" 2>/dev/null
    openssl req "${key[@]}" -keyout "$d/client.key" -out "$d/client.csr" -subj "/CN=redw_cert" 2>/dev/null
    openssl x509 -req -in "$d/client.csr" -CA "$d/ca.pem" -CAkey "$d/ca.key" -CAcreateserial -days 3650 \
        -sha256 -out "$d/client.pem" 2>/dev/null
    rm -f "$d/ca.key" "$d/other-ca.key" "$d"/*.csr "$d/server.ext"
}

# --- the cluster: initdb once, then copies -----------------------------------------------------------

make_cluster() { # DATA
    local cache=${REDW_PG_CACHE:-$top/build/pg-cache} template
    template=$cache/$("$PG_BIN/postgres" --version | tr -c 'a-zA-Z0-9.\n' '-')
    if [ ! -f "$template/PG_VERSION" ]; then
        mkdir -p "$cache"
        local fresh
        # Another user than root cannot enter the cache: build in /tmp, then move.
        if [ "$how" = runuser ]; then fresh=$(mktemp -d /tmp/redw-initdb.XXXXXX)
        else fresh=$(mktemp -d "$cache/.new.XXXXXX"); fi
        hand_over "$fresh"
        "${as[@]}" "$PG_BIN/initdb" -N -D "$fresh/data" -U postgres -E UTF8 --locale=C.UTF-8 \
            -A trust >"$cache/initdb.log" 2>&1 || die "initdb failed: $cache/initdb.log"
        # Whoever comes second throws his away: -T refuses a directory that is not empty.
        mv -T "$fresh/data" "$template" 2>/dev/null || true
        rm -rf "$fresh"
    fi
    cp -a --reflink=auto "$template" "$1"
    chmod 700 "$1"
}

configure() { # ROOM DIR PORT
    local room=$1 dir=$2 port=$3 listen='127.0.0.1,127.0.0.2'
    grep -q ' lo$' /proc/net/if_inet6 2>/dev/null && listen+=',::1'
    cat >"$room/data/postgresql.auto.conf" <<CONF
listen_addresses = '$listen'
port = $port
unix_socket_directories = '$sockdir'
max_connections = 200
ssl = on
ssl_cert_file = '$room/tls/server.pem'
ssl_key_file = '$room/tls/server.key'
ssl_ca_file = '$room/tls/ca.pem'
password_encryption = 'scram-sha-256'
fsync = off
synchronous_commit = off
full_page_writes = off
wal_level = minimal
max_wal_senders = 0
autovacuum = off
jit = off
huge_pages = off
client_connection_check_interval = 200
restart_after_crash = off
log_timezone = 'UTC'
timezone = 'UTC'
lc_messages = 'C'
CONF
    cat >"$room/data/pg_hba.conf" <<CONF
local   all postgres trust
local   all all scram-sha-256
hostssl all redw_md5 127.0.0.0/8 md5
hostssl all redw_md5 ::1/128 md5
hostssl all redw_clear 127.0.0.0/8 password
hostssl all redw_clear ::1/128 password
hostssl all redw_cert 127.0.0.0/8 cert
hostssl all redw_cert ::1/128 cert
host    all plain 127.0.0.0/8 scram-sha-256
hostssl all all 127.0.0.0/8 scram-sha-256
hostssl all all ::1/128 scram-sha-256
CONF
}

make_roles() { # PORT PASSWORD
    "$PG_BIN/psql" -X -q -v ON_ERROR_STOP=1 -h "$sockdir" -p "$1" -U postgres -d postgres >/dev/null <<SQL
SET client_min_messages = error;
CREATE ROLE redw LOGIN PASSWORD '$2';
CREATE ROLE plain LOGIN PASSWORD '$2' IN ROLE redw;
CREATE ROLE redw_clear LOGIN PASSWORD '$2' IN ROLE redw;
CREATE ROLE redw_cert LOGIN IN ROLE redw;
SET password_encryption = 'md5';
CREATE ROLE redw_md5 LOGIN PASSWORD '$2' IN ROLE redw;
CREATE DATABASE redw OWNER redw STRATEGY wal_log;
SQL
}

# --- processes -----------------------------------------------------------------------------------------

# The pid in FILE's first line, if it is a living process whose command line has WORD.
alive() { # FILE WORD
    local pid
    [ -r "$1" ] || return 1
    read -r pid <"$1" || true
    case $pid in '' | *[!0-9]*) return 1 ;; esac
    [ -r "/proc/$pid/cmdline" ] || return 1
    { tr '\0' '\n' <"/proc/$pid/cmdline"; } 2>/dev/null | grep -qxF -- "$2" || return 1
    printf %s "$pid"
}

end() { # FILE WORD SIGNAL: asks, waits up to 5 s, kills
    local pid i
    pid=$(alive "$1" "$2") || return 0
    kill "-$3" "$pid" 2>/dev/null || true
    for ((i = 0; i < 250; i++)); do
        alive "$1" "$2" >/dev/null || return 0
        sleep 0.02
    done
    kill -KILL "$pid" 2>/dev/null || true
}

# Stops DIR when its owner is gone. Ends by itself when DIR is.
watch_owner() { # DIR OWNER
    [ -n "$2" ] || return 0
    # shellcheck disable=SC2016 # the inner shell expands
    setsid bash -c 'while kill -0 "$1" 2>/dev/null && [ -d "$2" ]; do sleep 0.5; done
                    [ -d "$2" ] && exec "$3" stop "$2"' watch "$2" "$1" "$self" </dev/null >/dev/null 2>&1 &
}

spawn() { # LOG COMMAND...: detached, ended by its time bound at the latest
    local log=$1
    shift
    (cd / && exec setsid timeout -s INT -k 5 "$lifetime" "${as[@]}" "$@" </dev/null >>"$log" 2>&1) &
}

run_server() { # DIR: until the server is ready on some port; sets port
    local dir=$1 try i
    for ((try = 0; try < 20; try++)); do
        port=$(free_port)
        configure "$room" "$dir" "$port"
        : >"$dir/server.log"
        rm -f "$room/data/postmaster.pid"
        spawn "$dir/server.log" "$PG_BIN/postgres" -D "$room/data"
        local job=$!
        for ((i = 0; i < 1000; i++)); do
            if grep -qE 'could not bind IPv[46] address' "$dir/server.log"; then
                end "$room/data/postmaster.pid" "$room/data" QUIT
                wait "$job" 2>/dev/null || true
                continue 2
            fi
            grep -qs '^ready' "$room/data/postmaster.pid" && return 0
            kill -0 "$job" 2>/dev/null || { cat "$dir/server.log" >&2; die "the server did not start"; }
            sleep 0.02
        done
        die "the server was not ready in 20 s: $dir/server.log"
    done
    die "no free port found"
}

# --- commands ------------------------------------------------------------------------------------------

place() { # DIR: sets dir, room (the servers' files), sockdir from what start decided
    dir=$(cd "$1" 2>/dev/null && pwd) || die "$1: no such directory"
    [ -f "$dir/.redw-pg" ] || die "$dir was not made by pg.sh"
    { read -r how; read -r room; read -r sockdir; } <"$dir/.redw-pg"
}

start() { # DIR OWNER
    find_programs
    choose_user
    mkdir -p "$1"
    dir=$(cd "$1" && pwd)
    [ -z "$(ls -A "$dir")" ] || die "$dir is not empty"
    room=$dir
    [ "$how" != runuser ] || room=$(mktemp -d /tmp/redw-pg.XXXXXX)
    sockdir=$room/s
    # The kernel's limit is 107 bytes for the whole path.
    if [ $((${#sockdir} + ${#room})) -gt 170 ] || [ ${#sockdir} -gt 85 ]; then sockdir=$(mktemp -d /tmp/redw-s.XXXXXX)
    else mkdir "$sockdir"; fi
    printf '%s\n' "$how" "$room" "$sockdir" >"$dir/.redw-pg"
    trap '"$self" stop "$dir" || true' ERR EXIT

    make_cluster "$room/data"
    make_certificates "$room/tls"
    hand_over "$room" "$sockdir"
    run_server "$dir"
    local password
    password=$(openssl rand -hex 20)
    make_roles "$port" "$password"

    local where="localhost:$port/redw" ca verify
    ca=$(encode "$room/tls/ca.pem")
    verify="sslmode=verify-full&sslrootcert=$ca"
    {
        say PGPORT "$port"
        say SOCKDIR "$sockdir"
        say CAFILE "$room/tls/ca.pem"
        say OTHERCA "$room/tls/other-ca.pem"
        say USER redw
        say PASSWORD "$password"
        say DATABASE redw
        say URI "postgresql://redw@$where?$verify"
        say PLAINURI "postgresql://plain@127.0.0.1:$port/redw?sslmode=disable"
        say UNIXURI "postgresql://redw@/redw?host=$(encode "$sockdir")&port=$port"
        say MD5URI "postgresql://redw_md5@$where?$verify"
        say CLEARURI "postgresql://redw_clear@$where?$verify"
        say CERTURI "postgresql://redw_cert@$where?$verify&sslcert=$(encode "$room/tls/client.pem")&sslkey=$(encode "$room/tls/client.key")"
        say ADMINURI "postgresql://postgres@/redw?host=$(encode "$sockdir")&port=$port"
    } >"$dir/env"
    trap - ERR EXIT
    watch_owner "$dir" "${2:-}"
    cat "$dir/env"
}

# Sessions are pooled by session; clients log in over TLS with SCRAM (no channel binding here), and the
# bouncer logs in to the server over its unix socket with the same password.
bouncer() { # DIR OWNER
    place "$1"
    REDW_PG_AS=$how choose_user
    local program
    program=$(command -v pgbouncer || echo /usr/sbin/pgbouncer)
    [ -x "$program" ] || die "no PgBouncer found (Debian package pgbouncer)"
    local PGPORT PASSWORD CAFILE try i port
    eval "$(grep -E '^(PGPORT|PASSWORD|CAFILE)=' "$dir/env")"
    mkdir -p "$room/bouncer"
    printf '"%s" "%s"\n' redw "$PASSWORD" plain "$PASSWORD" >"$room/bouncer/users.txt"
    for ((try = 0; try < 20; try++)); do
        port=$(free_port)
        cat >"$room/bouncer/pgbouncer.ini" <<CONF
[databases]
redw = host=$sockdir port=$PGPORT dbname=redw
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $port
unix_socket_dir =
pidfile = $room/bouncer/pid
auth_type = scram-sha-256
auth_file = $room/bouncer/users.txt
pool_mode = session
max_client_conn = 200
default_pool_size = 40
client_tls_sslmode = allow
client_tls_cert_file = $room/tls/server.pem
client_tls_key_file = $room/tls/server.key
client_tls_protocols = secure
CONF
        hand_over "$room/bouncer"
        : >"$dir/bouncer.log"
        spawn "$dir/bouncer.log" "$program" "$room/bouncer/pgbouncer.ini"
        local job=$!
        for ((i = 0; i < 500; i++)); do
            grep -q 'process up' "$dir/bouncer.log" && break 2
            kill -0 "$job" 2>/dev/null || break
            sleep 0.02
        done
        grep -q 'process up' "$dir/bouncer.log" && break
        grep -qi 'in use' "$dir/bouncer.log" || { cat "$dir/bouncer.log" >&2; die "PgBouncer did not start"; }
    done
    local ca
    ca=$(encode "$CAFILE")
    {
        say BOUNCERPORT "$port"
        say BOUNCERURI "postgresql://redw@localhost:$port/redw?sslmode=verify-full&sslrootcert=$ca"
        say BOUNCERPLAINURI "postgresql://plain@127.0.0.1:$port/redw?sslmode=disable"
    } >"$dir/bouncer.env"
    cat "$dir/bouncer.env"
}

stop() { # DIR
    [ -d "$1" ] || return 0
    place "$1"
    end "$room/bouncer/pid" "$room/bouncer/pgbouncer.ini" INT
    end "$room/data/postmaster.pid" "$room/data" QUIT
    case $sockdir in /tmp/redw-s.*) rm -rf "$sockdir" ;; esac
    case $room in /tmp/redw-pg.*) rm -rf "$room" ;; esac
    rm -rf "$dir"
}

case ${1:-} in
start) [ $# -ge 2 ] || die "start DIR [OWNER_PID]"; start "$2" "${3:-}" ;;
bouncer) [ $# -ge 2 ] || die "bouncer DIR"; bouncer "$2" ;;
stop) [ $# -eq 2 ] || die "stop DIR"; stop "$2" ;;
*) sed -n '3,9p' "$self" | sed 's/^# \{0,1\}//' >&2; exit 2 ;;
esac
