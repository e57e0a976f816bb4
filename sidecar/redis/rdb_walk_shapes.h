/*
 * What stands behind each opcode and each type of value of an RDB, as data: a shape is a text with
 * one letter for each thing that is read. Pure tables.
 *
 *     s  a string                           1 4 8 x  that many bytes, x: 16
 *     l  a length                           d  a double as text (a byte says how long)
 *     n  a length: how often the loop is    ( )  the loop; RDB_SHAPE_DEPTH deep at most
 *     k  a key is counted                   m  a module's values, to their end mark
 *     o  a length, where a flag says so     t  an element of an array: a tag, a value
 *     i  the id of a template of fields     h  it has as many fields as the loop to come
 *     r  the id of a template: the loop to come is as often as that has fields
 *     D  the database that is selected      E  the next key expires
 *     F  a function library is counted      I  slots are being imported
 *     z  how many keys a slot has           e  the checksum, and the end
 *     j  back to the shape that this one was a part of
 */
#ifndef REDIS_RDB_WALK_SHAPES_H
#define REDIS_RDB_WALK_SHAPES_H

#include <stdint.h>

#include "redis/rdb_probe.h"

#define RDB_SHAPE_DEPTH 3

/* How much is known of a version. */
enum rdb_shapes_known {
    RDB_SHAPES_NONE,    /* it cannot be walked */
    RDB_SHAPES_HEARSAY, /* from descriptions; where it does not fit, they may be what is wrong */
    RDB_SHAPES_FULLY,   /* from the servers' sources and their files */
};

enum rdb_shapes_known rdb_shapes_known(enum rdb_magic magic, int version);

/* What follows this opcode or type in such a file; NULL when it is not known there. Static. */
const char *rdb_shape(enum rdb_magic magic, int version, uint8_t opcode);
/* What it is called: "a module's value of a release candidate"; NULL when it has no name. Static.
 */
const char *rdb_shape_name(uint8_t opcode);

/* The rest of a module's value after its opcode, of an array's element after its tag; NULL when
 * there is none such. Static. */
const char *rdb_shape_of_module_value(uint64_t opcode);
const char *rdb_shape_of_element(uint64_t tag);

#endif
