/* ctl_table.h - how mfctl's commands come by a routing table. */
#pragma once
#include "control/ctl.h"

/* The published one, or one from a file ("-": stdin). NULL, and said why. */
struct table *ctl_table_from_etcd(struct ctl *ctl);
struct table *ctl_table_from_file(const struct ctl *ctl, const char *path);

void ctl_table_print(const struct table *table);
