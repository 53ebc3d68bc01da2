// The control of one frame, cycle by cycle: the same registers as model.py, front_end.py, loader.py, scalar.py and
// parts.py of the folder above, for configurations without streams to external memory. Every latency and depth comes
// from the caller, so that it has one formula. tests/hwflow/test_compiled_cycles.py holds it against them.
#include "front_end.hpp"
#include "loader.hpp"
#include "parts.hpp"
#include "scalar.hpp"

using namespace cycles;

// Simulates a frame; found: last logit, total, then start and end of each CONV. False: nothing moves any more.
extern "C" int hwflow_cycles(const int32_t *parameters, const int32_t *schedule, int32_t length, int64_t *found) {
    const Parameters &p = *reinterpret_cast<const Parameters *>(parameters);
    const Instruction *program = reinterpret_cast<const Instruction *>(schedule);
    Memory memory(p);
    Loader loader(p, program, length, memory);
    WeightRing weights(p);
    MacRing macs(p);
    ConstantRing constants(p);
    Scalar scalar(p);
    Results results(p);
    Sequencer sequencer(p);
    int open = 0, layers_done = 0, idle_for = 0;
    for (int64_t cycle = 0;; ++cycle) {
        int arrival = loader.arrival;
        bool quiet = loader.idle() && open == 0 && results.fifo.level() == 0;
        bool conv_read = sequencer.ready() && results.ready();
        const Instruction *conv = conv_read && loader.conv.readable ? program + loader.conv.head() : nullptr;
        bool scalar_read = scalar.ready();
        const Instruction *next = scalar_read && loader.scalar.readable ? program + loader.scalar.head() : nullptr;
        int free[RINGS] = {weights.free, macs.free, constants.free, 0, 0};
        bool mac = sequencer.mac();
        int level = mac ? macs.level / 2 : weights.level;
        sequencer.step(cycle, conv, level, scalar.scales != 0, loader.image_done(), loader.writer.slots);
        bool word_taken = results.step(sequencer.layer_done, scalar.offered());
        scalar.step(cycle, next, constants.level, macs.level, sequencer.sum_token, sequencer.claimed != 0, quiet, word_taken);
        loader.step(cycle, cycle == 0, free, conv_read, scalar_read, layers_done, sequencer.bytes_stall);
        layers_done += sequencer.layer_done;
        int claimed = sequencer.claimed, released = sequencer.released;
        weights.step(arrival == WEIGHTS, mac ? 0 : claimed, mac ? 0 : released);
        macs.step(arrival == MACS, mac ? claimed : 0, mac ? released : 0, scalar.released);
        constants.step(arrival == CONSTANTS, scalar.taken);
        open += (conv != nullptr) - sequencer.layer_done;
        if (scalar.frame_done) {
            *found++ = scalar.last_logit;
            *found++ = cycle;
            for (std::size_t at = 0; at < sequencer.ends.size(); ++at) {
                *found++ = sequencer.starts[at];
                *found++ = sequencer.ends[at];
            }
            return 1;
        }
        bool moved = claimed || scalar.taken || arrival >= 0 || sequencer.sum_token || sequencer.issued || scalar.stepping;
        idle_for = moved ? 0 : idle_for + 1;
        if (idle_for > p.patience) return 0;
    }
}
