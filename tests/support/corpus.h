/* corpus: real captures and their independently computed answers, below $PCAP_CORPUS. */
#pragma once

#include "base/bytes.h"

/* corpus_file reads a whole file below $PCAP_CORPUS.
 *
 * Returns  its bytes, the caller's to free with corpus_free; empty (p NULL) when there is no corpus
 * or no such file, with "skip - NAME" on stdout */
struct bytes corpus_file(const char *name);
void corpus_free(struct bytes file);

/* corpus_datagrams calls each with the payload of every UDP packet of a pcap or pcapng file.
 *
 * Returns  packets, or -1 when there is no corpus or no such file, with "skip - NAME" on stdout */
int corpus_datagrams(const char *name, void (*each)(void *ctx, struct bytes payload), void *ctx);

/* corpus_type_counts reads the counts per one-character message type out of an answer file: the
 * lines
 * `"Some Message (X)": 12` inside the object "message_type_counts".
 *
 * Returns  types found, 0 when there is no such file */
int corpus_type_counts(const char *name, uint64_t counts[static 256]);
