/* sbe: writes one SBE message, little-endian, as CME frames it (size and header in front), and beside the bytes of each
 * field its name and value as JSON. Layouts are the callers'; names are those of CME's templates.
 *
 * Source  SBE 1.0; CME MDP 3.0 "Message header": u16 size with itself, then blockLength, templateId, schemaId, version */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SBE_BYTES_MAX 1460
#define SBE_NULL INT64_MIN /* the field has no value: its bytes say so, JSON leaves it out */

enum sbe_type { SBE_CHAR, SBE_U8, SBE_U16, SBE_U32, SBE_U64, SBE_I8, SBE_I16, SBE_I32, SBE_I64 };

struct sbe {
	uint8_t bytes[SBE_BYTES_MAX];
	size_t len;
	size_t block;    /* where the root block or the current entry begins */
	size_t count_at; /* of the entries of the current group, 0 = none */
	size_t bits_at;  /* of MatchEventIndicator, 0 = the message has none */
	uint8_t bits;    /* its value; written by sbe_end */
	uint16_t template_id;
	bool mute; /* kept: no JSON is written, which takes most of the time */
	bool comma;
	size_t text_len;
	char text[32768]; /* ,"name":value … without the braces around it; whole after sbe_end */
};

/* sbe_begin starts a message whose root block has so many bytes, all zero. */
void sbe_begin(struct sbe *m, uint16_t template_id, uint16_t block, uint16_t version);

/* sbe_put writes a number at offset of the root block or of the current entry. Takes name: JSON needs no escapes */
void sbe_put(struct sbe *m, size_t offset, enum sbe_type type, const char *name, int64_t value);
/* sbe_text writes text, padded with NUL to len bytes. "" = none */
void sbe_text(struct sbe *m, size_t offset, size_t len, const char *name, const char *text);

/* sbe_group begins a group of entries of so many bytes; wide: CME's dimension of 8 bytes. sbe_entry begins an entry. */
void sbe_group(struct sbe *m, const char *name, uint16_t block, bool wide);
void sbe_entry(struct sbe *m, uint16_t block);

/* sbe_end makes the message whole. */
void sbe_end(struct sbe *m);
