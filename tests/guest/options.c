/* SPDX-License-Identifier: MIT */
#include "options.h"
#include "serial.h"

#include <stdbool.h>
#include <stddef.h>

static bool is_end(char c)
{
    return c == '\0' || c == ' ';
}

/* If the word begins with `name`, moves it to what follows. */
static bool take_name(const char **word, const char *name)
{
    const char *p = *word;

    while (*name)
        if (*p++ != *name++)
            return false;
    *word = p;
    return true;
}

static bool take_size(const char **word, uint32_t *value)
{
    const char *p = *word;
    unsigned shift = 0;
    uint32_t number = 0;

    if (*p < '0' || *p > '9')
        return false;
    for (; *p >= '0' && *p <= '9'; p++)
        if (__builtin_mul_overflow(number, 10u, &number) ||
            __builtin_add_overflow(number, (uint32_t)(*p - '0'), &number))
            return false;
    switch (*p) {
    case 'K': shift = 10; p++; break;
    case 'M': shift = 20; p++; break;
    case 'G': shift = 30; p++; break;
    default: break;
    }
    if (!is_end(*p) || number > UINT32_MAX >> shift)
        return false;
    *value = number << shift;
    *word = p;
    return true;
}

static bool take_fault(const char **word, struct options *o)
{
    static const struct {
        const char *name;
        enum fault fault;
    } faults[] = {
        {"page:", FAULT_PAGE}, {"stale:", FAULT_STALE}, {"lost:", FAULT_LOST}, {"swap:", FAULT_SWAP},
    };

    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
        if (take_name(word, faults[i].name)) {
            o->fault = faults[i].fault;
            return take_size(word, &o->fault_step);
        }
    return false;
}

static bool take_word(const char **word, struct options *o)
{
    const struct {
        const char *name;
        uint32_t *value;
    } sizes[] = {
        {"ws=", &o->working_set}, {"rate=", &o->rate},    {"fill=", &o->fill},
        {"check=", &o->check},    {"step=", &o->step_ms},
    };

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        if (take_name(word, sizes[i].name))
            return take_size(word, sizes[i].value);
    return take_name(word, "fault=") && take_fault(word, o);
}

struct options options_parse(const char *words)
{
    struct options o = {
        .working_set = 16u << 20, .rate = 4u << 20, .check = 64u << 20, .step_ms = 10,
    };

    for (;;) {
        while (*words == ' ')
            words++;
        if (*words == '\0')
            return o;

        const char *rest = words;

        if (!take_word(&rest, &o) || !is_end(*rest))
            serial_halt("ERROR bad word '%s'\n", words);
        words = rest;
    }
}
