"""Price levels of a side: a B+-tree of levels by key, worst first, best last.

Invariant: a level is in its side's tree exactly while it holds an order, and `side.best` is the
level of the greatest key. A wide price range costs nothing: only levels that exist take memory.
Leaves are freed when they are empty and never merged (Johnson and Shasha 1993: free-at-empty).
Inside a leaf levels stand in any order, found by a byte of their key's hash (Oukid and others 2016:
fingerprinting): levels come and go all the time and are walked in order seldom.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memmove

from svc.engine.state cimport (
    KEY_SENTINEL,
    MAX_HEIGHT,
    NODE_KEYS,
    Level,
    Node,
    Side,
    State,
    give_level,
    give_node,
    likely,
    prefetch,
    take_level,
    take_node,
    unlikely,
)


cdef extern from *:
    """
    #ifdef __SSE2__
    #include <emmintrin.h>
    #endif
    static inline uint8_t mark_of(int64_t key) {
        return (uint8_t)((uint64_t)key * 0x9E3779B97F4A7C15ULL >> 56);
    }
    /* A bit for each of the 32 marks that is equal. */
    static inline uint32_t marks_equal(const uint8_t *marks, uint8_t mark) {
    #ifdef __SSE2__
        __m128i wanted = _mm_set1_epi8((char)mark);
        __m128i low = _mm_loadu_si128((const __m128i *)marks);
        __m128i high = _mm_loadu_si128((const __m128i *)(marks + 16));
        return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(low, wanted))
            | (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(high, wanted)) << 16;
    #else
        uint32_t equal = 0;
        for (int i = 0; i < 32; i++) equal |= (uint32_t)(marks[i] == mark) << i;
        return equal;
    #endif
    }
    /* Where the key is in the leaf if it is there, else where the next one goes, without a branch.
       `found` has all bits in the first case, none in the second. */
    static inline uint32_t probable_place(
        const uint8_t *marks, uint32_t count, int64_t key, uint32_t *found
    ) {
        uint64_t end = (uint64_t)1 << count;
        uint32_t equal = marks_equal(marks, mark_of(key)) & (uint32_t)(end - 1);
        *found = -(uint32_t)(equal != 0);
        return (uint32_t)__builtin_ctzll(equal | end) & 31;
    }
    /* The place of the key in the leaf, 32 when it is not there. */
    static inline uint32_t place_in_leaf(
        const uint8_t *marks, const int64_t *keys, uint32_t count, int64_t key
    ) {
        uint32_t equal = marks_equal(marks, mark_of(key)) & (uint32_t)(((uint64_t)1 << count) - 1);
        for (; equal != 0; equal &= equal - 1) {
            uint32_t at = (uint32_t)__builtin_ctz(equal);
            if (likely_(keys[at] == key)) return at;
        }
        return 32;
    }
    """
    uint8_t mark_of(int64_t key) noexcept nogil
    uint32_t probable_place(
        const uint8_t *marks, uint32_t count, int64_t key, uint32_t *found
    ) noexcept nogil
    uint32_t place_in_leaf(
        const uint8_t *marks, const int64_t *keys, uint32_t count, int64_t key
    ) noexcept nogil


cdef struct Path:
    # Inner nodes from the root down, and which child was taken in each.
    uint32_t nodes[MAX_HEIGHT]
    uint32_t children[MAX_HEIGHT]
    uint32_t depth


cdef inline uint32_t child_at(const Node *node, int64_t key) noexcept nogil:
    # Which child of an inner node the key belongs to: five halvings of its 31 keys, no branch.
    cdef const int64_t *keys = node.keys
    cdef uint32_t at = <uint32_t>(keys[15] <= key) * 16
    at += <uint32_t>(keys[at + 7] <= key) * 8
    at += <uint32_t>(keys[at + 3] <= key) * 4
    at += <uint32_t>(keys[at + 1] <= key) * 2
    return at + <uint32_t>(keys[at] <= key)


cdef inline uint32_t child_of(const Node *node, int64_t key) noexcept nogil:
    return node.slots[child_at(node, key)]


cdef inline uint32_t descend(
    const State *s, const Side *side, int64_t key, Path *path
) noexcept nogil:
    # The leaf in which the key is or would be.
    cdef uint32_t node = side.root
    cdef uint32_t child
    path.depth = 0
    while path.depth + 1 < side.height:
        child = child_at(&s.nodes[node], key)
        path.nodes[path.depth] = node
        path.children[path.depth] = child
        path.depth += 1
        node = s.nodes[node].slots[child]
    return node


cdef inline void prefetch_node(const Node *node) noexcept nogil:
    prefetch(&node.low)
    prefetch(&node.keys[0])
    prefetch(&node.keys[NODE_KEYS // 4])
    prefetch(&node.keys[NODE_KEYS // 2])
    prefetch(&node.keys[3 * NODE_KEYS // 4])
    prefetch(&node.slots[0])
    prefetch(&node.slots[NODE_KEYS // 2])


cdef inline void prefetch_leaf(const Node *node) noexcept nogil:
    # What tells where in it a key is.
    prefetch(&node.low)
    prefetch(&node.slots[0])
    prefetch(&node.slots[NODE_KEYS // 2])


cdef inline void put_entry(State *s, uint32_t leaf, int64_t key, uint32_t level) noexcept nogil:
    # Into a leaf that is not full.
    cdef Node *node = &s.nodes[leaf]
    node.marks[node.count] = mark_of(key)
    node.keys[node.count] = key
    node.slots[node.count] = level
    node.count += 1
    s.levels[level].leaf = leaf


cdef inline void put_child(Node *node, uint32_t at, int64_t key, uint32_t child) noexcept nogil:
    # Into an inner node that is not full: `child` becomes its child number at + 1.
    memmove(&node.keys[at + 1], &node.keys[at], (node.count - 1 - at) * sizeof(int64_t))
    memmove(&node.slots[at + 2], &node.slots[at + 1], (node.count - 1 - at) * sizeof(uint32_t))
    node.keys[at] = key
    node.slots[at + 1] = child
    node.count += 1


cdef inline void move_upper(Node *low, Node *high, uint32_t start) noexcept nogil:
    # Entries from `start` on go from `low` into the empty node `high`.
    cdef uint32_t moved = low.count - start
    cdef uint32_t i
    memcpy(high.keys, &low.keys[start], moved * sizeof(int64_t))
    memcpy(high.slots, &low.slots[start], moved * sizeof(uint32_t))
    for i in range(start, NODE_KEYS):
        low.keys[i] = KEY_SENTINEL
    high.count = moved
    low.count = start


cdef inline void raise_root(State *s, Side *side, int64_t key, uint32_t child) noexcept nogil:
    cdef uint32_t root = take_node(s)
    s.nodes[root].slots[0] = side.root
    s.nodes[root].slots[1] = child
    s.nodes[root].keys[0] = key
    s.nodes[root].count = 2
    side.root = root
    side.height += 1


cdef inline void add_child(
    State *s, Side *side, Path *path, int64_t key, uint32_t child
) noexcept nogil:
    # Hangs a new node into its parent, splitting full parents on the way up.
    cdef uint32_t low, high, at
    cdef int64_t middle
    while path.depth > 0:
        path.depth -= 1
        low = path.nodes[path.depth]
        at = path.children[path.depth]
        if s.nodes[low].count < NODE_KEYS:
            put_child(&s.nodes[low], at, key, child)
            return
        high = take_node(s)
        middle = s.nodes[low].keys[NODE_KEYS // 2 - 1]
        move_upper(&s.nodes[low], &s.nodes[high], NODE_KEYS // 2)
        s.nodes[low].keys[NODE_KEYS // 2 - 1] = KEY_SENTINEL
        if at < NODE_KEYS // 2:
            put_child(&s.nodes[low], at, key, child)
        else:
            put_child(&s.nodes[high], at - NODE_KEYS // 2, key, child)
        key = middle
        child = high
    raise_root(s, side, key, child)


cdef inline int64_t middle_key(const Node *node) noexcept nogil:
    # A key of a full leaf with a third of the keys at least on either side: the first one found,
    # for one in three is such a key and sorting them costs more than the split.
    cdef int64_t key = node.keys[0]
    cdef uint64_t below
    cdef int i, k
    for i in range(NODE_KEYS):
        key = node.keys[i]
        below = 0
        for k in range(NODE_KEYS):
            below += <uint64_t>(node.keys[k] - key) >> 63
        if NODE_KEYS // 3 <= below <= NODE_KEYS - NODE_KEYS // 3:
            break
    return key


cdef inline int64_t split_key(const Node *node, int64_t key) noexcept nogil:
    # Where to split a full leaf for a key: keys from there on go to the upper half. A book that
    # only deepens or only rises leaves full leaves behind, not half-empty ones.
    cdef int64_t least = node.keys[0]
    cdef int64_t greatest = node.keys[0]
    cdef int i
    if node.next != 0 and node.prev != 0:
        return middle_key(node)
    for i in range(1, NODE_KEYS):
        least = min(least, node.keys[i])
        greatest = max(greatest, node.keys[i])
    if node.next == 0 and key > greatest:
        return key
    if node.prev == 0 and key < least:
        return least
    return middle_key(node)


cdef inline void move_entries(State *s, uint32_t low, uint32_t high, int64_t start) noexcept nogil:
    # Levels with keys from `start` on go from a full leaf into an empty one. Either may get any, so
    # each is written to both, and the place counts where it belongs.
    cdef Node *node = &s.nodes[low]
    cdef uint32_t count = node.count
    cdef Node *upper = &s.nodes[high]
    cdef uint32_t kept = 0
    cdef uint32_t moved = 0
    cdef uint32_t i, slot, goes
    cdef int64_t key
    cdef uint8_t mark
    for i in range(count):
        key = node.keys[i]
        slot = node.slots[i]
        mark = node.marks[i]
        goes = key >= start
        upper.keys[moved] = key
        upper.slots[moved] = slot
        upper.marks[moved] = mark
        moved += goes
        node.keys[kept] = key
        node.slots[kept] = slot
        node.marks[kept] = mark
        kept += 1 - goes
    node.count = kept
    upper.count = moved
    for i in range(moved):
        s.levels[upper.slots[i]].leaf = high


cdef inline void split_leaf(
    State *s, Side *side, Path *path, uint32_t leaf, int64_t key, uint32_t level
) noexcept nogil:
    cdef uint32_t high = take_node(s)
    cdef Node *low_node = &s.nodes[leaf]
    cdef Node *high_node = &s.nodes[high]
    cdef int64_t start = split_key(low_node, key)
    high_node.low = start
    high_node.high = low_node.high
    low_node.high = start
    high_node.prev = leaf
    high_node.next = low_node.next
    if high_node.next != 0:
        s.nodes[high_node.next].prev = high
    else:
        side.last = high
    low_node.next = high
    move_entries(s, leaf, high, start)
    put_entry(s, leaf if key < start else high, key, level)
    add_child(s, side, path, start, high)


cdef inline uint32_t make_level(
    State *s, uint32_t book, uint32_t which, int64_t key
) noexcept nogil:
    cdef uint32_t index = take_level(s)
    cdef Level *level = &s.levels[index]
    level.key = key
    level.total = 0
    level.head = 0
    level.tail = 0
    level.book = book
    level.side = which
    return index


cdef inline uint32_t level_at(
    State *s, Side *side, uint32_t book, uint32_t which, int64_t key
) noexcept nogil:
    # The level of this key, made when there is none.
    cdef Path path
    cdef Node *node
    cdef uint32_t leaf, at, level
    if side.best != 0 and s.levels[side.best].key == key:
        return side.best
    if unlikely(side.root == 0):
        side.root = take_node(s)
        side.last = side.root
        side.height = 1
        s.nodes[side.root].low = -KEY_SENTINEL
        s.nodes[side.root].high = KEY_SENTINEL
    # Only a batch that looks ahead sets fingers: which leaf is next comes in no order, and where
    # the tree is near at hand a wrong guess costs more than the way down.
    leaf = side.finger
    node = &s.nodes[leaf]
    if leaf == 0 or not node.low <= key < node.high:
        leaf = descend(s, side, key, &path)
        node = &s.nodes[leaf]
    at = place_in_leaf(node.marks, node.keys, node.count, key)
    if at < NODE_KEYS:
        return node.slots[at]
    level = make_level(s, book, which, key)
    if likely(node.count < NODE_KEYS):
        put_entry(s, leaf, key, level)
    else:
        descend(s, side, key, &path)
        split_leaf(s, side, &path, leaf, key, level)
    side.levels += 1
    if side.best == 0 or key > s.levels[side.best].key:
        side.best = level
    return level


cdef inline void take_entry(Node *node, int64_t key) noexcept nogil:
    # The last one takes its place.
    cdef uint32_t at = place_in_leaf(node.marks, node.keys, node.count, key)
    node.count -= 1
    node.marks[at] = node.marks[node.count]
    node.keys[at] = node.keys[node.count]
    node.slots[at] = node.slots[node.count]


cdef inline void take_child(Node *node, uint32_t at) noexcept nogil:
    # The key that goes is the one before the child, of the first child the one behind it.
    cdef uint32_t key_at = at - 1 if at > 0 else 0
    if node.count > 1:
        memmove(
            &node.keys[key_at],
            &node.keys[key_at + 1],
            (node.count - 2 - key_at) * sizeof(int64_t),
        )
        node.keys[node.count - 2] = KEY_SENTINEL
    memmove(&node.slots[at], &node.slots[at + 1], (node.count - at - 1) * sizeof(uint32_t))
    node.count -= 1


cdef inline void drop_leaf(State *s, Side *side, Path *path, uint32_t leaf) noexcept nogil:
    # Takes an empty leaf, and every parent that it empties, out of the tree. Its keys then belong
    # to the leaf before, or behind it where the whole branch was its parent's first.
    cdef Node *node = &s.nodes[leaf]
    cdef uint32_t gone = leaf
    cdef uint32_t root
    if node.prev != 0:
        s.nodes[node.prev].next = node.next
    if node.next != 0:
        s.nodes[node.next].prev = node.prev
    else:
        side.last = node.prev
    while path.depth > 0:
        path.depth -= 1
        gone = path.nodes[path.depth]
        take_child(&s.nodes[gone], path.children[path.depth])
        if s.nodes[gone].count > 0:
            break
        give_node(s, gone)
    if path.children[path.depth] > 0:
        s.nodes[node.prev].high = node.high
    else:
        s.nodes[node.next].low = node.low
    give_node(s, leaf)
    while side.height > 1 and s.nodes[side.root].count == 1:
        root = side.root
        side.root = s.nodes[root].slots[0]
        side.height -= 1
        give_node(s, root)


cdef inline uint32_t greatest_below(const Node *node, int64_t key) noexcept nogil:
    # The place of the greatest key below `key` in a leaf, NODE_KEYS when there is none.
    cdef uint32_t at = NODE_KEYS
    cdef int64_t greatest = -KEY_SENTINEL
    cdef uint32_t i
    for i in range(node.count):
        if greatest < node.keys[i] < key:
            greatest = node.keys[i]
            at = i
    return at


cdef inline uint32_t best_level(const State *s, const Side *side) noexcept nogil:
    cdef const Node *node = &s.nodes[side.last]
    return node.slots[greatest_below(node, KEY_SENTINEL)] if side.last != 0 else 0


cdef inline void drop_level(State *s, Side *side, uint32_t index) noexcept nogil:
    # The level holds no order any more.
    cdef Path path
    cdef int64_t key = s.levels[index].key
    cdef uint32_t leaf = s.levels[index].leaf
    cdef Node *node = &s.nodes[leaf]
    take_entry(node, key)
    side.levels -= 1
    if node.count == 0:
        side.finger = 0
        if side.height == 1:
            give_node(s, leaf)
            side.root = 0
            side.height = 0
            side.last = 0
        else:
            descend(s, side, key, &path)
            drop_leaf(s, side, &path, leaf)
    if index == side.best:
        side.best = best_level(s, side)
    give_level(s, index)


# Where a walk from the best level to the worst stands.
cdef struct Cursor:
    uint32_t leaf
    int64_t key


cdef inline uint32_t next_level(const State *s, Cursor *cursor) noexcept nogil:
    # The next worse level; 0 behind the last.
    cdef uint32_t at
    while cursor.leaf != 0:
        at = greatest_below(&s.nodes[cursor.leaf], cursor.key)
        if at < NODE_KEYS:
            cursor.key = s.nodes[cursor.leaf].keys[at]
            return s.nodes[cursor.leaf].slots[at]
        cursor.leaf = s.nodes[cursor.leaf].prev
    return 0


cdef inline uint32_t first_level(const State *s, const Side *side, Cursor *cursor) noexcept nogil:
    # The best level; 0 when the side is empty.
    cursor.leaf = side.last
    cursor.key = KEY_SENTINEL
    return next_level(s, cursor)
