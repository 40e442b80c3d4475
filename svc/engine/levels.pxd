"""Price levels of a side: a B+-tree of levels by key, worst first, best last.

Invariant: a level is in its side's tree exactly while it holds an order, and `side.best` is the
level of the greatest key. A wide price range costs nothing: only levels that exist take memory.
Leaves are freed when they are empty and never merged (Johnson and Shasha 1993: free-at-empty).
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t
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
    prefetch,
    take_level,
    take_node,
)


cdef struct Path:
    # Inner nodes from the root down, and which child was taken in each.
    uint32_t nodes[MAX_HEIGHT]
    uint32_t children[MAX_HEIGHT]
    uint32_t depth


cdef inline uint32_t count_below(const int64_t *keys, int64_t key) noexcept nogil:
    # No branches: two halvings, then vector instructions of the x86-64 baseline.
    cdef uint64_t start = (<uint64_t>(keys[NODE_KEYS // 2 - 1] - key) >> 63) * (NODE_KEYS // 2)
    cdef uint64_t below
    cdef int i
    start += (<uint64_t>(keys[start + NODE_KEYS // 4 - 1] - key) >> 63) * (NODE_KEYS // 4)
    below = start
    for i in range(NODE_KEYS // 4):
        below += <uint64_t>(keys[start + i] - key) >> 63
    return <uint32_t>below


cdef inline void prefetch_keys(const Node *node) noexcept nogil:
    prefetch(&node.keys[0])
    prefetch(&node.keys[NODE_KEYS // 4])
    prefetch(&node.keys[NODE_KEYS // 2])
    prefetch(&node.keys[3 * NODE_KEYS // 4])


cdef inline uint32_t descend(
    const State *s, const Side *side, int64_t key, Path *path
) noexcept nogil:
    # The leaf in which the key is or would be.
    cdef uint32_t node = side.root
    cdef uint32_t child
    path.depth = 0
    while path.depth + 1 < side.height:
        child = count_below(s.nodes[node].keys, key + 1)
        path.nodes[path.depth] = node
        path.children[path.depth] = child
        path.depth += 1
        node = s.nodes[node].slots[child]
        prefetch_keys(&s.nodes[node])
    return node


cdef inline void prefetch_node(const Node *node) noexcept nogil:
    prefetch_keys(node)
    prefetch(&node.slots[0])
    prefetch(&node.slots[NODE_KEYS // 2])
    prefetch(&node.count)


cdef inline uint32_t leaf_of(const State *s, const Side *side, int64_t key) noexcept nogil:
    # As `descend`, without the path. The side is not empty.
    cdef uint32_t node = side.root
    cdef uint32_t height = side.height
    while height > 1:
        node = s.nodes[node].slots[count_below(s.nodes[node].keys, key + 1)]
        height -= 1
    return node


cdef inline uint32_t leaf_at_hand(const State *s, const Side *side, int64_t key) noexcept nogil:
    # The leaf of the key if it is the one used last or the best one, 0 if it may be another.
    cdef const Node *node = &s.nodes[side.finger]
    if side.finger != 0 and node.keys[0] <= key <= node.keys[node.count - 1]:
        return side.finger
    return side.last if s.nodes[side.last].keys[0] <= key else 0


cdef inline void put_entry(Node *node, uint32_t at, int64_t key, uint32_t slot) noexcept nogil:
    # Into a leaf that is not full.
    cdef uint32_t behind = node.count - at
    memmove(&node.keys[at + 1], &node.keys[at], behind * sizeof(int64_t))
    memmove(&node.slots[at + 1], &node.slots[at], behind * sizeof(uint32_t))
    node.keys[at] = key
    node.slots[at] = slot
    node.count += 1


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


cdef inline void split_leaf(
    State *s, Side *side, Path *path, uint32_t leaf, uint32_t at, int64_t key, uint32_t level
) noexcept nogil:
    # A book that only deepens or only rises leaves full leaves behind, not half-empty ones.
    cdef uint32_t high = take_node(s)
    cdef Node *low_node = &s.nodes[leaf]
    cdef Node *high_node = &s.nodes[high]
    cdef uint32_t start = NODE_KEYS // 2
    cdef uint32_t i
    if at == NODE_KEYS and low_node.next == 0:
        start = NODE_KEYS
    elif at == 0 and low_node.prev == 0:
        start = 0
    move_upper(low_node, high_node, start)
    for i in range(high_node.count):
        s.levels[high_node.slots[i]].leaf = high
    high_node.prev = leaf
    high_node.next = low_node.next
    if high_node.next != 0:
        s.nodes[high_node.next].prev = high
    else:
        side.last = high
    low_node.next = high
    if at < start or start == 0:
        put_entry(low_node, at, key, level)
        s.levels[level].leaf = leaf
    else:
        put_entry(high_node, at - start, key, level)
        s.levels[level].leaf = high
    add_child(s, side, path, high_node.keys[0], high)


cdef inline uint32_t make_level(
    State *s, uint32_t book, uint32_t which, int64_t key
) noexcept nogil:
    cdef uint32_t index = take_level(s)
    cdef Level *level = &s.levels[index]
    level.key = key
    level.total = 0
    level.hidden = 0
    level.head = 0
    level.tail = 0
    level.count = 0
    level.book = book
    level.side = which
    return index


cdef inline uint32_t level_at(
    State *s, Side *side, uint32_t book, uint32_t which, int64_t key
) noexcept nogil:
    # The level of this key, made when there is none.
    cdef Path path
    cdef uint32_t leaf, at, level
    if side.best != 0 and s.levels[side.best].key == key:
        return side.best
    if side.root == 0:
        side.root = take_node(s)
        side.last = side.root
        side.height = 1
    leaf = leaf_at_hand(s, side, key)
    if leaf == 0:
        leaf = descend(s, side, key, &path)
    side.finger = leaf
    at = count_below(s.nodes[leaf].keys, key)
    if at < s.nodes[leaf].count and s.nodes[leaf].keys[at] == key:
        return s.nodes[leaf].slots[at]
    level = make_level(s, book, which, key)
    if s.nodes[leaf].count < NODE_KEYS:
        put_entry(&s.nodes[leaf], at, key, level)
        s.levels[level].leaf = leaf
    else:
        descend(s, side, key, &path)
        split_leaf(s, side, &path, leaf, at, key, level)
    side.levels += 1
    if side.best == 0 or key > s.levels[side.best].key:
        side.best = level
    return level


cdef inline void take_entry(Node *node, uint32_t at) noexcept nogil:
    cdef uint32_t behind = node.count - at - 1
    memmove(&node.keys[at], &node.keys[at + 1], behind * sizeof(int64_t))
    memmove(&node.slots[at], &node.slots[at + 1], behind * sizeof(uint32_t))
    node.count -= 1
    node.keys[node.count] = KEY_SENTINEL


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
    # Takes an empty leaf, and every parent that it empties, out of the tree.
    cdef Node *node = &s.nodes[leaf]
    cdef uint32_t gone = leaf
    cdef uint32_t root
    if node.prev != 0:
        s.nodes[node.prev].next = node.next
    if node.next != 0:
        s.nodes[node.next].prev = node.prev
    else:
        side.last = node.prev
    give_node(s, leaf)
    while path.depth > 0:
        path.depth -= 1
        gone = path.nodes[path.depth]
        take_child(&s.nodes[gone], path.children[path.depth])
        if s.nodes[gone].count > 0:
            break
        give_node(s, gone)
    while side.height > 1 and s.nodes[side.root].count == 1:
        root = side.root
        side.root = s.nodes[root].slots[0]
        side.height -= 1
        give_node(s, root)


cdef inline void drop_level(State *s, Side *side, uint32_t index) noexcept nogil:
    # The level holds no order any more.
    cdef Path path
    cdef int64_t key = s.levels[index].key
    cdef uint32_t leaf = s.levels[index].leaf
    cdef Node *node = &s.nodes[leaf]
    take_entry(node, count_below(node.keys, key))
    side.levels -= 1
    side.finger = leaf
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
        side.best = s.nodes[side.last].slots[s.nodes[side.last].count - 1] if side.last != 0 else 0
    give_level(s, index)


cdef struct Cursor:
    uint32_t leaf
    uint32_t at


cdef inline uint32_t first_level(const State *s, const Side *side, Cursor *cursor) noexcept nogil:
    # The best level; 0 when the side is empty.
    cursor.leaf = side.last
    if cursor.leaf == 0:
        return 0
    cursor.at = s.nodes[cursor.leaf].count - 1
    return s.nodes[cursor.leaf].slots[cursor.at]


cdef inline uint32_t next_level(const State *s, Cursor *cursor) noexcept nogil:
    # The next worse level; 0 behind the last.
    if cursor.at == 0:
        cursor.leaf = s.nodes[cursor.leaf].prev
        if cursor.leaf == 0:
            return 0
        cursor.at = s.nodes[cursor.leaf].count
    cursor.at -= 1
    return s.nodes[cursor.leaf].slots[cursor.at]
