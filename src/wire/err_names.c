/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What codes, classes, outcomes and causes are called, in messages, logs and labels of metrics: part of
 * the interface, not to be changed.
 */
#include <redw/error.h>

const char *redw_class_name(enum redw_class c)
{
    switch (c) {
    case REDW_CLASS_NONE: return "none";
    case REDW_CLASS_CONNECTION_FAILED: return "connection_failed";
    case REDW_CLASS_AUTHENTICATION_FAILED: return "authentication_failed";
    case REDW_CLASS_QUERY_CANCELLED: return "query_cancelled";
    case REDW_CLASS_QUERY_TIMEOUT: return "query_timeout";
    case REDW_CLASS_SERIALIZATION_FAILURE: return "serialization_failure";
    case REDW_CLASS_DISK_FULL: return "disk_full";
    case REDW_CLASS_OUT_OF_MEMORY: return "out_of_memory";
    case REDW_CLASS_RESOURCE_BUSY: return "resource_busy";
    case REDW_CLASS_INVALID_SQL: return "invalid_sql";
    case REDW_CLASS_TABLE_NOT_FOUND: return "table_not_found";
    case REDW_CLASS_COLUMN_NOT_FOUND: return "column_not_found";
    case REDW_CLASS_PERMISSION_DENIED: return "permission_denied";
    case REDW_CLASS_DATA_ERROR: return "data_error";
    case REDW_CLASS_COPY_ERROR: return "copy_error";
    case REDW_CLASS_UNLOAD_ERROR: return "unload_error";
    case REDW_CLASS_SPECTRUM_ERROR: return "spectrum_error";
    case REDW_CLASS_CLOSED: return "closed";
    case REDW_CLASS_INTERNAL: return "internal";
    }
    return "unknown";
}

const char *redw_outcome_name(enum redw_outcome o)
{
    switch (o) {
    case REDW_OUTCOME_UNKNOWN: return "unknown";
    case REDW_OUTCOME_NOT_SENT: return "not_sent";
    case REDW_OUTCOME_NOT_EXECUTED: return "not_executed";
    }
    return "unknown";
}

const char *redw_cause_name(enum redw_cause c)
{
    switch (c) {
    case REDW_CAUSE_NONE: return "none";
    case REDW_CAUSE_CALLER: return "caller";
    case REDW_CAUSE_DEADLINE: return "deadline";
    case REDW_CAUSE_SERVER_TIMEOUT: return "server_timeout";
    case REDW_CAUSE_QUEUE: return "queue";
    case REDW_CAUSE_RULE: return "rule";
    case REDW_CAUSE_ADMIN: return "admin";
    case REDW_CAUSE_SHUTDOWN: return "shutdown";
    case REDW_CAUSE_UNKNOWN: return "unknown";
    }
    return "unknown";
}

const char *redw_strerror(int code)
{
    switch (code) {
    case REDW_OK: return "REDW_OK: success";
    case REDW_NULL: return "REDW_NULL: the value is SQL NULL";
    case REDW_EINVAL: return "REDW_EINVAL: an argument is wrong";
    case REDW_ENOMEM: return "REDW_ENOMEM: out of memory";
    case REDW_ENOENT: return "REDW_ENOENT: no such request";
    case REDW_ECLOSED: return "REDW_ECLOSED: the client is closing or closed";
    case REDW_EFULL: return "REDW_EFULL: a bound was reached";
    case REDW_ETYPE: return "REDW_ETYPE: the value is of another type";
    case REDW_ERANGE: return "REDW_ERANGE: the value does not fit";
    case REDW_ECOLUMN: return "REDW_ECOLUMN: no such column";
    case REDW_ECANCELLED: return "REDW_ECANCELLED: cancelled by the caller";
    case REDW_ETIMEDOUT: return "REDW_ETIMEDOUT: a deadline passed";
    case REDW_ECONNECT: return "REDW_ECONNECT: the connection could not be made, or broke";
    case REDW_EPROTOCOL: return "REDW_EPROTOCOL: the peer broke the protocol";
    case REDW_EAUTH: return "REDW_EAUTH: login refused";
    case REDW_ETLS: return "REDW_ETLS: TLS failed";
    case REDW_ESERVER: return "REDW_ESERVER: the server answered with an error";
    default: return "unknown code";
    }
}

const char *redw_version(void)
{
    return REDW_VERSION;
}
