"""The running hash of docs/journal.md; running_hash.py is its twin in plain Python."""

from libc.stdint cimport uint64_t

cdef extern from *:
    """
    #include <stdint.h>
    static const uint64_t HASH_K[17] = {
        0x428a2f98d728ae22ULL, 0x7137449123ef65cdULL, 0xb5c0fbcfec4d3b2fULL,
        0xe9b5dba58189dbbcULL, 0x3956c25bf348b538ULL, 0x59f111f1b605d019ULL,
        0x923f82a4af194f9bULL, 0xab1c5ed5da6d8118ULL, 0xd807aa98a3030242ULL,
        0x12835b0145706fbeULL, 0x243185be4ee4b28cULL, 0x550c7dc3d5ffb4e2ULL,
        0x72be5d74f27b896fULL, 0x80deb1fe3b1696b1ULL, 0x9bdc06a725c71235ULL,
        0xc19bf174cf692694ULL, 0xe49b69c19ef14ad2ULL};
    /* GCC moves the halves of a 128-bit product through other registers and memory, half as many
       instructions again. */
    static inline uint64_t mum(uint64_t a, uint64_t b) {
    #if defined(__x86_64__) && defined(__GNUC__)
        uint64_t high;
        __asm__("mulq %2" : "+a"(a), "=d"(high) : "r"(b) : "cc");
        return a ^ high;
    #else
        unsigned __int128 product = (unsigned __int128)a * b;
        return (uint64_t)product ^ (uint64_t)(product >> 64);
    #endif
    }
    /* The products of a record's pairs of words, independent of each other, folded. */
    static inline uint64_t digest_of(const uint64_t *words) {
        uint64_t digest = 0;
    #if defined(__x86_64__) && defined(__GNUC__)
    #define FOLD_PAIR(i) \\
            "movq " #i "*16(%1), %%rax; movq " #i "*16+8(%1), %%rdx;" \\
            "xorq " #i "*16(%2), %%rax; xorq " #i "*16+8(%2), %%rdx;" \\
            "mulq %%rdx; xorq %%rax, %0; xorq %%rdx, %0;"
        __asm__(
            FOLD_PAIR(0) FOLD_PAIR(1) FOLD_PAIR(2) FOLD_PAIR(3)
            FOLD_PAIR(4) FOLD_PAIR(5) FOLD_PAIR(6) FOLD_PAIR(7)
            : "+&r"(digest)
            : "r"(words), "r"(HASH_K), "m"(*(const uint64_t(*)[16])words),
              "m"(*(const uint64_t(*)[17])HASH_K)
            : "rax", "rdx", "cc");
    #undef FOLD_PAIR
    #else
        for (int i = 0; i < 16; i += 2)
            digest ^= mum(words[i] ^ HASH_K[i], words[i + 1] ^ HASH_K[i + 1]);
    #endif
        return digest;
    }
    """
    const uint64_t *HASH_K
    uint64_t mum(uint64_t a, uint64_t b) noexcept nogil
    uint64_t digest_of(const uint64_t *words) noexcept nogil


cdef inline uint64_t chain_record(uint64_t running_hash, const uint64_t *words) noexcept nogil:
    # A digest does not depend on the chain, so records overlap.
    return mum(running_hash ^ digest_of(words), HASH_K[16])
