/* etcd_arguments.h - the options with which mfcontrol and mfctl are told where
 * etcd is and which cluster is meant: rows for both option tables. */
#pragma once
#include "control/etcd/etcd.h"
#include "control/keys.h"

/* clang-format off */
#define ETCD_ARGUMENTS(X)                                                                          \
    X(0,   "etcd",               STRINGS,  etcd,               "URL,...", NULL,                    \
      "etcd's client addresses, e.g. http://10.0.0.1:2379; may be repeated")                       \
    X(0,   "cluster",            STRING,   cluster,            "NAME",    NULL,                    \
      "the cluster: its keys are under /memfleet/v1/NAME/")                                        \
    X(0,   "etcd-user",          STRING,   etcd_user,          "NAME",    NULL,                    \
      "user of etcd, if it has authentication on")                                                 \
    X(0,   "etcd-password-file", STRING,   etcd_password_file, "FILE",    NULL,                    \
      "the user's password: the first line of this file")                                          \
    X(0,   "etcd-ca",            STRING,   etcd_ca,            "FILE",    NULL,                    \
      "certificates (PEM) to check etcd's against; the system's if not given")                     \
    X(0,   "etcd-cert",          STRING,   etcd_cert,          "FILE",    NULL,                    \
      "our client certificate (PEM); with authentication on its common name must be empty")        \
    X(0,   "etcd-key",           STRING,   etcd_key,           "FILE",    NULL,                    \
      "the certificate's key (PEM)")
/* clang-format on */

/* `o` points to an options struct with these rows; `prefix_text` is what
 * key_prefix() made of the cluster. */
#define ETCD_ARGUMENTS_OPTIONS(o, prefix_text)                                                     \
    ((struct etcd_options){                                                                        \
        .endpoints = (const char *const *)(o)->etcd.items,                                         \
        .endpoint_count = (o)->etcd.count,                                                         \
        .prefix = (prefix_text),                                                                   \
        .user = (o)->etcd_user,                                                                    \
        .password_file = (o)->etcd_password_file,                                                  \
        .ca_file = (o)->etcd_ca,                                                                   \
        .cert_file = (o)->etcd_cert,                                                               \
        .key_file = (o)->etcd_key,                                                                 \
    })
