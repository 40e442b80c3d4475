"""Records in a tenth of their bytes and back, in C: docs/journal.md, Packed records.

For packing.pyx alone. Invariant: both ways of packing write the same bytes.
"""

from libc.stdint cimport uint8_t

cdef extern from *:
    """
    #include <stddef.h>
    #include <stdint.h>
    #include <string.h>
    #ifdef __SSE2__
    #include <immintrin.h>
    #endif
    #define PACK_WORDS 16
    #define PACK_SLOTS 64
    /* Slot, codes, and sixteen words of eight bytes. */
    #define PACK_MOST_BYTES (1 + 4 + 8 * PACK_WORDS)
    static const uint8_t PACK_LENGTHS[4] = {8, 1, 3, 0};

    /* The last record of each kind and side, from which the next one is predicted. */
    typedef struct {
        uint64_t last[PACK_SLOTS][PACK_WORDS];
        uint64_t sequence;
    } pack_context;

    static inline unsigned pack_slot(uint64_t head) {
        return (unsigned)((head & 15) | ((head >> 8) & 3) << 4);
    }

    /* A bit for each word in which the two differ. */
    static inline uint32_t pack_changed(const uint64_t *words, const uint64_t *last) {
        uint32_t changed = 0;
    #ifdef __SSE2__
        for (int i = 0; i < PACK_WORDS; i += 4) {
            __m128i low = _mm_cmpeq_epi32(
                _mm_loadu_si128((const __m128i *)(words + i)),
                _mm_loadu_si128((const __m128i *)(last + i)));
            __m128i high = _mm_cmpeq_epi32(
                _mm_loadu_si128((const __m128i *)(words + i + 2)),
                _mm_loadu_si128((const __m128i *)(last + i + 2)));
            __m128i even = _mm_castps_si128(_mm_shuffle_ps(
                _mm_castsi128_ps(low), _mm_castsi128_ps(high), _MM_SHUFFLE(2, 0, 2, 0)));
            __m128i odd = _mm_castps_si128(_mm_shuffle_ps(
                _mm_castsi128_ps(low), _mm_castsi128_ps(high), _MM_SHUFFLE(3, 1, 3, 1)));
            uint32_t same = (uint32_t)_mm_movemask_ps(_mm_castsi128_ps(_mm_and_si128(even, odd)));
            changed |= (same ^ 15) << i;
        }
    #else
        for (int i = 0; i < PACK_WORDS; i++) changed |= (uint32_t)(words[i] != last[i]) << i;
    #endif
        return changed;
    }

    /* Returns how many of the eight bytes it wrote count, and takes the code down from 3. */
    static inline unsigned pack_word(
        uint64_t difference, unsigned i, uint8_t *out, uint32_t *codes
    ) {
        uint64_t folded = (difference << 1) ^ (uint64_t)((int64_t)difference >> 63);
        unsigned more = folded > 0xFF, most = folded > 0xFFFFFF;
        memcpy(out, &folded, 8);
        *codes -= (uint32_t)(2 - more + 2 * most) << (2 * i);
        return 1 + 2 * more + 5 * most;
    }

    /* Returns where the next record begins. Writes up to eight bytes behind that. */
    static inline uint8_t *pack_record(
        pack_context *context, const uint64_t *words, int events, uint8_t *out
    ) {
        unsigned slot = pack_slot(words[events ? 2 : 0]);
        uint64_t *last = context->last[slot];
        uint8_t *codes_at = out + 1;
        uint32_t codes = ~(uint32_t)0;
        uint32_t changed = pack_changed(words, last);
        *out = (uint8_t)slot;
        out += 5;
        if (events) {
            /* Not by way of last[0]: a wide load right behind a narrow store stalls. */
            uint64_t difference = words[0] - context->sequence - 1;
            context->sequence = words[0];
            changed &= ~(uint32_t)1;
            if (difference != 0) out += pack_word(difference, 0, out, &codes);
        }
        for (; changed; changed &= changed - 1) {
            unsigned i = (unsigned)__builtin_ctz(changed);
            out += pack_word(words[i] - last[i], i, out, &codes);
        }
        memcpy(last, words, 8 * PACK_WORDS);
        memcpy(codes_at, &codes, 4);
        return out;
    }

    static size_t pack_records(
        pack_context *context, const void *words, size_t count, int events, uint8_t *out,
        size_t room
    ) {
        /* Returns 0 when they take more than `room`. */
        uint8_t *at = out;
        memset(context, 0, sizeof *context);
        for (size_t i = 0; i < count; i++) {
            if ((size_t)(at - out) + PACK_MOST_BYTES + 8 > room) return 0;
            at = pack_record(context, (const uint64_t *)words + i * PACK_WORDS, events, at);
        }
        return (size_t)(at - out);
    }

    /* The same, sixteen words at a time in the registers of newer processors. Which bytes of a pair
       of words count, by the pair's codes, and how many: */
    static uint8_t pair_bytes[16][16] __attribute__((aligned(16)));
    static uint8_t pair_lengths[16];

    static void fill_pair_tables(void) {
        for (unsigned codes = 0; codes < 16; codes++) {
            uint8_t length = 0;
            memset(pair_bytes[codes], 0x80, 16);
            for (unsigned i = 0; i < 16; i++)
                if (i % 8 < PACK_LENGTHS[codes >> i / 8 * 2 & 3]) pair_bytes[codes][length++] = i;
            pair_lengths[codes] = length;
        }
    }

    #ifdef __x86_64__
    #define PACK_WIDE __attribute__((target("avx2"), always_inline)) static inline
    /* Four words, folded, and their codes from bit 0 on. */
    PACK_WIDE __m256i pack_four(__m256i words, __m256i last, uint32_t *codes) {
        const __m256i zero = _mm256_setzero_si256();
        __m256i difference = _mm256_sub_epi64(words, last);
        __m256i folded = _mm256_xor_si256(
            _mm256_add_epi64(difference, difference), _mm256_cmpgt_epi64(zero, difference));
        __m256i none = _mm256_cmpeq_epi64(folded, zero);
        __m256i one = _mm256_cmpeq_epi64(_mm256_srli_epi64(folded, 8), zero);
        __m256i three = _mm256_cmpeq_epi64(_mm256_srli_epi64(folded, 24), zero);
        __m256i high = _mm256_or_si256(none, _mm256_andnot_si256(one, three));
        *codes = (uint32_t)_mm256_movemask_ps(
            _mm256_castsi256_ps(_mm256_blend_epi32(one, high, 0xAA)));
        return folded;
    }
    /* Writes sixteen bytes, whatever counts of them. */
    PACK_WIDE uint8_t *put_pair(__m128i folded, uint32_t codes, uint8_t *out) {
        __m128i order = _mm_load_si128((const __m128i *)pair_bytes[codes & 15]);
        _mm_storeu_si128((__m128i *)out, _mm_shuffle_epi8(folded, order));
        return out + pair_lengths[codes & 15];
    }
    PACK_WIDE uint8_t *put_four(__m256i folded, uint32_t codes, uint8_t *out) {
        out = put_pair(_mm256_castsi256_si128(folded), codes, out);
        return put_pair(_mm256_extracti128_si256(folded, 1), codes >> 4, out);
    }
    PACK_WIDE size_t pack_all(
        pack_context *context, const uint64_t *words, size_t count, const int events, uint8_t *out,
        size_t room
    ) {
        uint8_t *at = out;
        __m256i before = _mm256_setzero_si256();
        memset(context, 0, sizeof *context);
        for (size_t i = 0; i < count; i++, words += PACK_WORDS) {
            unsigned slot = pack_slot(words[events ? 2 : 0]);
            __m256i *last = (__m256i *)context->last[slot];
            __m256i word[4], folded[4], expected[4];
            uint32_t codes[4], all;
            if ((size_t)(at - out) + PACK_MOST_BYTES + 8 > room) return 0;
            for (int k = 0; k < 4; k++) {
                word[k] = _mm256_loadu_si256((const __m256i *)words + k);
                expected[k] = _mm256_loadu_si256(last + k);
                _mm256_storeu_si256(last + k, word[k]);
            }
            if (events) {
                expected[0] = _mm256_blend_epi32(
                    expected[0], _mm256_add_epi64(before, _mm256_set_epi64x(0, 0, 0, 1)), 3);
                before = word[0];
            }
            for (int k = 0; k < 4; k++) folded[k] = pack_four(word[k], expected[k], &codes[k]);
            all = codes[0] | codes[1] << 8 | codes[2] << 16 | codes[3] << 24;
            *at = (uint8_t)slot;
            memcpy(at + 1, &all, 4);
            at = put_four(folded[1], codes[1], put_four(folded[0], codes[0], at + 5));
            /* Few commands have anything in their second half. */
            if (events || all >> 16 != 0xFFFF)
                at = put_four(folded[3], codes[3], put_four(folded[2], codes[2], at));
        }
        return (size_t)(at - out);
    }
    __attribute__((target("avx2"))) static size_t pack_records_wide(
        pack_context *context, const void *words, size_t count, int events, uint8_t *out,
        size_t room
    ) {
        return events ? pack_all(context, words, count, 1, out, room)
            : pack_all(context, words, count, 0, out, room);
    }
    static int has_wide_registers(void) {
        return __builtin_cpu_supports("avx2");
    }
    #else
    static size_t pack_records_wide(
        pack_context *context, const void *words, size_t count, int events, uint8_t *out,
        size_t room
    ) {
        return pack_records(context, words, count, events, out, room);
    }
    static int has_wide_registers(void) {
        return 0;
    }
    #endif

    static const uint64_t PACK_MASKS[4] = {~0ULL, 0xFF, 0xFFFFFF, 0};

    /* Reads up to eight bytes behind the record. */
    static inline const uint8_t *unpack_record(
        pack_context *context, const uint8_t *in, int events, uint64_t *words
    ) {
        uint64_t *last = context->last[*in % PACK_SLOTS];
        uint32_t codes, changed;
        memcpy(&codes, in + 1, 4);
        in += 5;
        if (events) last[0] = context->sequence + 1;
        changed = ~(codes & codes >> 1) & 0x55555555;
        for (; changed; changed &= changed - 1) {
            unsigned bit = (unsigned)__builtin_ctz(changed);
            unsigned code = codes >> bit & 3;
            uint64_t folded;
            memcpy(&folded, in, 8);
            folded &= PACK_MASKS[code];
            in += PACK_LENGTHS[code];
            last[bit / 2] += (folded >> 1) ^ (0 - (folded & 1));
        }
        memcpy(words, last, 8 * PACK_WORDS);
        if (events) context->sequence = words[0];
        return in;
    }

    static size_t unpack_records(
        pack_context *context, const uint8_t *in, size_t length, size_t count, int events,
        uint64_t *words
    ) {
        /* Returns how many bytes the records took, 0 when they reach beyond `length`. */
        uint8_t end[2 * (PACK_MOST_BYTES + 8)];
        const uint8_t *behind;
        size_t at = 0;
        memset(context, 0, sizeof *context);
        for (size_t i = 0; i < count; i++, words += PACK_WORDS) {
            if (length - at >= PACK_MOST_BYTES + 8) {
                at = (size_t)(unpack_record(context, in + at, events, words) - in);
                continue;
            }
            memset(end, 0, sizeof end);
            memcpy(end, in + at, length - at);
            behind = unpack_record(context, end, events, words);
            if ((size_t)(behind - end) > length - at) return 0;
            at += (size_t)(behind - end);
        }
        return at;
    }
    """
    ctypedef struct pack_context:
        pass
    size_t pack_records(
        pack_context *context, const void *words, size_t count, int events, uint8_t *out,
        size_t room,
    ) nogil
    size_t pack_records_wide(
        pack_context *context, const void *words, size_t count, int events, uint8_t *out,
        size_t room,
    ) nogil
    bint has_wide_registers()
    void fill_pair_tables()
    size_t unpack_records(
        pack_context *context, const uint8_t *packed, size_t length, size_t count, int events,
        void *words,
    ) nogil
