/* version.h - what we call ourselves.
 *
 * Clients read the number after "VERSION " and switch features on by it, so
 * it begins with the memcached release whose dialect we speak. */
#pragma once
#include "config.h"

#define MEMCACHED_DIALECT "1.6.45"
#define MEMFLEET_VERSION PACKAGE_VERSION
#define WIRE_VERSION MEMCACHED_DIALECT "-memfleet-" MEMFLEET_VERSION
