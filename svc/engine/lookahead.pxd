"""What the commands further down a batch will touch, fetched while those before them are applied.

A command touches half a dozen cache lines that depend on each other: the id's place in the map, its
order, the order's neighbours and level, the leaf of its price. Commands go through the stages below
in groups, so that what a stage waits for comes for the whole group at once, above all the walks
down the trees of levels.

Invariant: all of it is guesses, which change no result. What they name may be gone when the command
comes; a guessed leaf counts only while no node has been given back, and while its keys hold.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from svc.engine.levels cimport child_of, prefetch_leaf, probable_place
from svc.engine.orders cimport glance_order, prefetch_entry
from svc.engine.queue cimport side_of
from svc.engine.records cimport MAX_INSTRUMENT_ID, MOVE, NEW, REPLACE, Command
from svc.engine.state cimport (
    ABREAST,
    GUESSES,
    NODE_KEYS,
    Guess,
    Node,
    Order,
    Side,
    State,
    prefetch,
)

cdef extern from *:
    """
    /* A price of a command that nobody has checked yet, brought into the range of keys. */
    #define PRICE_MASK (((int64_t)1 << 50) - 1)
    """
    const int64_t PRICE_MASK

# How far ahead of the group that comes next each stage works. Orders fewer than SMALL_BOOKS are at
# hand in a core's own caches, and fetching them costs more than it saves.
cdef enum:
    SMALL_BOOKS = 4096
    COMMAND_STAGE = 6 * ABREAST
    ENTRY_STAGE = 4 * ABREAST
    ORDER_STAGE = 3 * ABREAST
    LEAF_STAGE = 2 * ABREAST
    PLACE_STAGE = ABREAST
    TAIL_STAGE = 2
    KINDS_THAT_ENTER = 1 << NEW | 1 << MOVE | 1 << REPLACE


cdef struct Descent:
    # A walk down a side's tree, `left` levels of it to go.
    int64_t key
    uint32_t node
    uint32_t left


cdef inline void begin_descent(
    State *s, const Command *c, Guess *guess, Descent *descent
) noexcept nogil:
    cdef const Order *order = &s.orders[glance_order(s, c.order_id)]
    cdef uint32_t side = c.side if c.kind == NEW else side_of(order)
    cdef int64_t turned = -<int64_t>((side - 1) & 1)
    cdef uint32_t enters = KINDS_THAT_ENTER >> (c.kind & 31) & 1
    cdef const Side *tree
    guess.old_level = order.level
    prefetch(&s.levels[order.level])
    prefetch(&s.orders[order.prev])
    prefetch(&s.orders[order.next])
    guess.book = s.book_of[c.instrument_id & MAX_INSTRUMENT_ID]
    guess.side = (side - 1) & 1
    tree = &s.books[guess.book].sides[guess.side]
    descent.key = ((c.price & PRICE_MASK) ^ turned) - turned
    descent.node = tree.root & -enters
    descent.left = (tree.height - 1) & -<uint32_t>(descent.node != 0)


cdef inline void guess_leaves(
    State *s, const Command *c, uint64_t first, uint64_t n
) noexcept nogil:
    # Of `n` commands from `c` on, number `first` of the batch; one step of all walks at a time.
    cdef Descent descents[ABREAST]
    cdef Guess *guess
    cdef uint32_t deepest = 0
    cdef uint32_t alike = ~<uint32_t>0
    cdef uint32_t depth, walks, child
    cdef uint64_t i
    for i in range(n):
        guess = &s.guesses[(first + i) & (GUESSES - 1)]
        begin_descent(s, &c[i], guess, &descents[i])
        guess.key = descents[i].key
        deepest = max(deepest, descents[i].left)
        alike = min(alike, descents[i].left | -<uint32_t>(descents[i].node == 0))
    # As far as all go down, nobody asks who does: whoever has no tree stays at node 0.
    alike = min(alike, deepest) if n == ABREAST else 0
    for depth in range(alike):
        for i in range(ABREAST):
            descents[i].node = child_of(&s.nodes[descents[i].node], descents[i].key)
    for depth in range(alike, deepest):
        for i in range(n):
            walks = -<uint32_t>(depth < descents[i].left)
            child = child_of(&s.nodes[descents[i].node & walks], descents[i].key)
            descents[i].node ^= (descents[i].node ^ child) & walks
    for i in range(n):
        guess = &s.guesses[(first + i) & (GUESSES - 1)]
        guess.leaf = descents[i].node
        guess.nodes_given = s.nodes_given
        prefetch_leaf(&s.nodes[guess.leaf])


cdef inline void guess_levels(State *s, uint64_t first, uint64_t n) noexcept nogil:
    cdef Guess *guess
    cdef const Node *leaf
    cdef uint32_t at, found
    cdef uint64_t i
    # A node that was given back since may have become an inner one: its slots are no levels then.
    for i in range(n):
        guess = &s.guesses[(first + i) & (GUESSES - 1)]
        leaf = &s.nodes[guess.leaf]
        at = probable_place(leaf.marks, leaf.count & (2 * NODE_KEYS - 1), guess.key, &found)
        prefetch(&leaf.keys[at])
        guess.new_level = leaf.slots[at] & found & -<uint32_t>(leaf.slots[at] < s.level_high)
        prefetch(&s.levels[guess.new_level])


cdef inline void prefetch_fresh(const State *s) noexcept nogil:
    # Where the new orders and levels of two groups go when none was given back.
    cdef uint32_t i
    for i in range(ABREAST):
        prefetch(&s.orders[s.order_high + ABREAST + i])
    for i in range(0, ABREAST, 2):
        prefetch(&s.levels[s.level_high + ABREAST + i])


cdef inline uint64_t in_stage(uint64_t at, uint64_t count) noexcept nogil:
    # How many commands of a group that begins there the batch has.
    return min(count - at, <uint64_t>ABREAST) if at < count else 0


cdef inline void look_ahead(
    State *s, const Command *c, uint64_t count, int64_t at
) noexcept nogil:
    # When the group that begins at `at` comes next; before the first group with negative ones.
    cdef uint64_t i, first
    first = at + COMMAND_STAGE
    for i in range(in_stage(first, count)):
        prefetch(&c[first + i])
        prefetch(&c[first + i].display)
    first = at + ENTRY_STAGE
    for i in range(in_stage(first, count)):
        prefetch_entry(s, c[first + i].order_id)
    first = at + ORDER_STAGE
    for i in range(in_stage(first, count)):
        prefetch(&s.orders[glance_order(s, c[first + i].order_id)])
    prefetch_fresh(s)
    first = at + LEAF_STAGE
    guess_leaves(s, &c[first], first, in_stage(first, count))
    first = at + PLACE_STAGE
    guess_levels(s, first, in_stage(first, count))


cdef inline void take_guess(State *s, uint64_t at) noexcept nogil:
    # The command that comes next finds its leaf at hand, and one behind it the ends of its levels.
    cdef const Guess *near = &s.guesses[(at + TAIL_STAGE) & (GUESSES - 1)]
    prefetch(&s.orders[s.levels[near.new_level].tail])
    prefetch(&s.nodes[s.levels[near.old_level].leaf].low)
    cdef const Guess *guess = &s.guesses[at & (GUESSES - 1)]
    if guess.leaf != 0 and guess.nodes_given == s.nodes_given:
        s.books[guess.book].sides[guess.side].finger = guess.leaf
