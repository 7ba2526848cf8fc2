/* process: what the kernel says about this process, under the names that every client library uses. */
#pragma once

#include <stdio.h>

/* process_write writes process_* metrics; what cannot be read is left out. */
void process_write(FILE *out);
/* process_reference writes their rows of docs/metrics.md. */
void process_reference(FILE *out);
