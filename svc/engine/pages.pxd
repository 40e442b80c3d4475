"""Memory of the engine: slabs that grow without being copied, and pages that are there when needed.

A slab moves when it grows, its pages do not. The kernel zeroes a page when it is touched first,
which takes longer than all that an order needs beside, and a huge page half a millisecond: large
slabs therefore have the pages that come next zeroed by a thread that does nothing else.

Invariant: what that thread does changes no content. Where it is late or missing, in a process that
was forked and on kernels before 5.14, pages come when they are touched.
"""

from libc.stdint cimport uint32_t

cdef extern from *:
    """
    #ifndef _GNU_SOURCE
    #define _GNU_SOURCE
    #endif
    #include <pthread.h>
    #include <signal.h>
    #include <stdint.h>
    #include <stdio.h>
    #include <stdlib.h>
    #include <string.h>
    #include <sys/mman.h>
    /* Out of memory inside a batch cannot be undone; the log can: stop, restart, replay. */
    static void out_of_memory(size_t bytes) {
        fprintf(stderr, "engine: no memory for a slab of %zu bytes\\n", bytes);
        abort();
    }
    #define HUGE_BYTES ((size_t)2 << 20)
    static int is_huge(size_t bytes) {
        return bytes >= HUGE_BYTES;
    }
    static size_t mapped_bytes(size_t bytes) {
        return is_huge(bytes) ? (bytes + HUGE_BYTES - 1) / HUGE_BYTES * HUGE_BYTES : bytes;
    }
    static void slab_free(void *slab, size_t bytes) {
        if (slab != NULL) munmap(slab, mapped_bytes(bytes));
    }
    static void *map_pages(size_t bytes) {
        void *pages = mmap(
            NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (pages == MAP_FAILED) out_of_memory(bytes);
        return pages;
    }
    /* At a multiple of the huge page, and asking for huge pages: a book of a million orders then
       needs a few dozen TLB entries, not ten thousand. */
    static void *map_huge_pages(size_t bytes) {
        char *pages = map_pages(bytes + HUGE_BYTES);
        size_t before = (HUGE_BYTES - (uintptr_t)pages % HUGE_BYTES) % HUGE_BYTES;
        if (before > 0) munmap(pages, before);
        munmap(pages + before + bytes, HUGE_BYTES - before);
    #ifdef MADV_HUGEPAGE
        madvise(pages + before, bytes, MADV_HUGEPAGE);
    #endif
        return pages + before;
    }
    /* Page-aligned and zeroed, so that a 64-byte struct never straddles two cache lines; pages are
       moved, not copied, and take memory only when touched. */
    static void *slab_grow(void *slab, size_t old_bytes, size_t new_bytes) {
        size_t moved = mapped_bytes(old_bytes);
        void *grown = is_huge(new_bytes)
            ? map_huge_pages(mapped_bytes(new_bytes)) : map_pages(new_bytes);
        if (slab == NULL) return grown;
    #ifdef __linux__
        if (mremap(slab, moved, moved, MREMAP_MAYMOVE | MREMAP_FIXED, grown) != grown)
            out_of_memory(new_bytes);
    #else
        memcpy(grown, slab, old_bytes);
        munmap(slab, moved);
    #endif
        return grown;
    }
    #ifdef MADV_POPULATE_WRITE
    #define MOST_ASKED 16
    #define LEAST_ASKED ((size_t)128 << 10)
    static struct {
        pthread_mutex_t lock;
        pthread_cond_t asked;
        void *pages[MOST_ASKED];
        size_t bytes[MOST_ASKED];
        unsigned put, taken;
        int is_running;
    } page_asks = {.lock = PTHREAD_MUTEX_INITIALIZER, .asked = PTHREAD_COND_INITIALIZER};
    static void *bring_asked(void *unused) {
        pthread_mutex_lock(&page_asks.lock);
        for (;;) {
            while (page_asks.taken == page_asks.put)
                pthread_cond_wait(&page_asks.asked, &page_asks.lock);
            unsigned at = page_asks.taken++ % MOST_ASKED;
            void *pages = page_asks.pages[at];
            size_t bytes = page_asks.bytes[at];
            pthread_mutex_unlock(&page_asks.lock);
            /* A slab that has moved or gone since is no error: nothing there is written. Not all at
               once, for a slab that is to move waits meanwhile. */
            for (size_t at = 0; at < bytes; at += HUGE_BYTES)
                madvise((char *)pages + at, bytes - at < HUGE_BYTES ? bytes - at : HUGE_BYTES,
                    MADV_POPULATE_WRITE);
            pthread_mutex_lock(&page_asks.lock);
        }
        return unused;
    }
    static int start_bringing(void) {
        pthread_t thread;
        sigset_t every, before;
        sigfillset(&every);
        pthread_sigmask(SIG_SETMASK, &every, &before);
        int failed = pthread_create(&thread, NULL, bring_asked, NULL);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (!failed) pthread_detach(thread);
        return !failed;
    }
    /* Never waits: what cannot be asked for now comes when it is touched, and so does what is too
       little to wake a thread for. */
    static void bring_pages(void *first, size_t bytes) {
        size_t before = (uintptr_t)first % 4096;
        if (bytes < LEAST_ASKED || pthread_mutex_trylock(&page_asks.lock)) return;
        if (!page_asks.is_running) page_asks.is_running = start_bringing();
        if (page_asks.is_running && page_asks.put - page_asks.taken < MOST_ASKED) {
            page_asks.pages[page_asks.put % MOST_ASKED] = (char *)first - before;
            page_asks.bytes[page_asks.put % MOST_ASKED] = bytes + before;
            page_asks.put++;
            pthread_cond_signal(&page_asks.asked);
        }
        pthread_mutex_unlock(&page_asks.lock);
    }
    #else
    static void bring_pages(void *first, size_t bytes) {
        (void)first, (void)bytes;
    }
    #endif
    /* A slab whose pages are all on their way. */
    __attribute__((noinline)) static void *slab_ahead(size_t bytes) {
        void *slab = slab_grow(NULL, 0, bytes);
        bring_pages(slab, bytes);
        return slab;
    }
    /* Of records of a size, of which the mark's number are used. There is room for as many again
       then, for two huge pages at most, and its pages are on their way; the mark is where to ask
       again. */
    __attribute__((noinline)) static void extend_slab(
        void **slab, size_t size, uint32_t used, uint32_t *capacity, uint32_t *mark
    ) {
        uint32_t most = (uint32_t)(HUGE_BYTES / size);
        uint32_t step = used / 2 < most ? used / 2 : most;
        uint32_t asked = used + (used / 3 < most ? used / 3 : most);
        uint32_t wanted = used + 2 * step;
        if (wanted > *capacity) {
            *slab = slab_grow(*slab, *capacity * size, 2 * *capacity * size);
            *capacity *= 2;
        }
        *mark = used + step;
        bring_pages((char *)*slab + asked * size, (wanted - asked) * size);
    }
    """
    void slab_free(void *slab, size_t bytes) noexcept nogil
    void *slab_grow(void *slab, size_t old_bytes, size_t new_bytes) noexcept nogil
    void *slab_ahead(size_t bytes) noexcept nogil
    void extend_slab(
        void **slab, size_t size, uint32_t used, uint32_t *capacity, uint32_t *mark
    ) noexcept nogil
