// Event-driven simulation of a netlist of library cells with inertial delays; counts events by cell, pin and state.
//
// Time is in units of an integer clock. A net has at most one pending change: a change of the inputs that takes the
// change back before it happens cancels it (inertial delay, as in Verilog's continuous assignment). Pending changes
// are in a wheel of slots, one per time unit, linked through the nets; delays are shorter than the wheel.
#include <cstdint>
#include <cstring>
#include <vector>

namespace {

constexpr int64_t kSlots = 1 << 16;
constexpr int32_t kNone = -1;
enum Kind { kCombinational = 0, kFlipFlop = 1, kLatch = 2 };

// One row of `Netlist::instances`; bases index the arrays below.
struct Instance {
  int64_t kind, inputs, variables, outputs;
  int64_t pin_base;    // pin_nets: nets of the inputs
  int64_t net_base;    // output_nets: nets of the outputs, -1 if unconnected
  int64_t truth_base;  // truths: a function per output; of sequential cells then clock, data, clear, preset
  int64_t input_base;  // input_counts[pin * states + state before]
  int64_t output_base; // output_counts, delays[(output * inputs + pin) * states + state after]
  int64_t time_base;   // state_times[state]
  int64_t reset;       // stored value at the beginning
};

}  // namespace

extern "C" {

struct Netlist {
  int64_t nets, instance_count;
  const Instance* instances;
  const int32_t* pin_nets;
  const int32_t* output_nets;
  const uint64_t* truths;
  const int32_t* delays;
  const int32_t* sink_base;  // [nets + 1] into sinks
  const int32_t* sinks;      // (instance, pin) pairs
  int64_t clock;             // net, or -1
  int64_t inputs;            // driven nets
  const int32_t* input_nets;
  int64_t outputs;           // sampled nets
  const int32_t* sampled_nets;
};

struct Counts {
  uint32_t* toggles;  // [net]
  uint32_t* settled;  // [net]: cycles that end with another value than the cycle before
  uint32_t* input_counts;
  uint32_t* output_counts;
  int64_t* state_times;
  int64_t sizes[3];  // of input_counts, output_counts, state_times
  int64_t filtered;  // pending changes that were taken back
  int64_t events;    // changes of nets, also before counting
};

}  // extern "C"

namespace {

class Simulation {
 public:
  Simulation(const Netlist& netlist, Counts& counts)
      : n_(netlist), c_(counts), value_(netlist.nets, 0), pending_(netlist.nets, 0),
        last_(netlist.nets, 0),
        next_(netlist.nets, kNone), previous_(netlist.nets, kNone), due_(netlist.nets, 0),
        cause_(netlist.nets, 0), state_(netlist.instance_count, 0),
        since_(netlist.instance_count, 0), head_(kSlots, kNone), used_(kSlots / 64, 0) {}

  void begin(const uint8_t* row) {
    value_[1] = 1;
    for (int64_t k = 0; k < n_.inputs; ++k) value_[n_.input_nets[k]] = row[k];
    if (n_.clock >= 0) value_[n_.clock] = 1;  // the cycle's rising edge is past
    for (int64_t i = 0; i < n_.instance_count; ++i) {  // in topological order
      const Instance& each = n_.instances[i];
      uint32_t state = 0;
      for (int64_t p = 0; p < each.inputs; ++p) {
        state |= uint32_t(value_[n_.pin_nets[each.pin_base + p]]) << p;
      }
      if (each.kind != kCombinational) state |= uint32_t(each.reset) << each.inputs;
      state_[i] = state;
      for (int64_t o = 0; o < each.outputs; ++o) {
        const int32_t net = n_.output_nets[each.net_base + o];
        if (net >= 0) value_[net] = n_.truths[each.truth_base + o] >> state & 1;
      }
    }
    for (int64_t i = 0; i < n_.instance_count; ++i) {
      const Instance& each = n_.instances[i];
      if (each.kind == kCombinational) continue;
      uint32_t state = state_[i] & (1u << each.inputs);  // registers come before what drives them
      for (int64_t p = 0; p < each.inputs; ++p) {
        state |= uint32_t(value_[n_.pin_nets[each.pin_base + p]]) << p;
      }
      state_[i] = state;
      store(each, i, 0, 0, true);
    }
  }

  void start_counting() {
    std::memset(c_.toggles, 0, sizeof(uint32_t) * n_.nets);
    std::memset(c_.settled, 0, sizeof(uint32_t) * n_.nets);
    std::memset(c_.input_counts, 0, sizeof(uint32_t) * c_.sizes[0]);
    std::memset(c_.output_counts, 0, sizeof(uint32_t) * c_.sizes[1]);
    std::memset(c_.state_times, 0, sizeof(int64_t) * c_.sizes[2]);
    c_.filtered = 0;
    last_ = value_;
    for (auto& since : since_) since = now_;
  }

  void stop_counting() {
    for (int64_t i = 0; i < n_.instance_count; ++i) spend(n_.instances[i], i);
  }

  void end_cycle() {
    for (int64_t net = 0; net < n_.nets; ++net) c_.settled[net] += value_[net] != last_[net];
    last_ = value_;
  }

  void drive(int32_t net, uint8_t value) {
    if (value_[net] != value) change(net, value);
  }

  uint8_t value(int32_t net) const { return value_[net]; }

  // Everything that happens before `end`, which becomes the present.
  void run(int64_t end) {
    for (int64_t t = next_time(end); t < end; t = next_time(end)) {
      now_ = t;
      const int64_t slot = t & (kSlots - 1);
      while (head_[slot] != kNone) {
        const int32_t net = head_[slot];
        remove(net);
        ++c_.output_counts[cause_[net]];
        change(net, value_[net] ^ 1);
      }
    }
    now_ = end;
  }

 private:
  int64_t next_time(int64_t end) const {
    int64_t t = now_;
    while (t < end && t < now_ + kSlots) {
      const int64_t slot = t & (kSlots - 1);
      const uint64_t bits = used_[slot >> 6] >> (slot & 63);
      if (bits) return t + __builtin_ctzll(bits);
      t += 64 - (slot & 63);
    }
    return end;
  }

  void spend(const Instance& each, int64_t i) {
    c_.state_times[each.time_base + state_[i]] += now_ - since_[i];
    since_[i] = now_;
  }

  void change(int32_t net, uint8_t value) {
    value_[net] = value;
    ++c_.toggles[net];
    ++c_.events;
    for (int32_t k = n_.sink_base[net]; k < n_.sink_base[net + 1]; ++k) {
      touch(n_.sinks[2 * k], n_.sinks[2 * k + 1]);
    }
  }

  void touch(int32_t i, int32_t pin) {
    const Instance& each = n_.instances[i];
    const uint32_t before = state_[i];
    ++c_.input_counts[each.input_base + (int64_t(pin) << each.variables) + before];
    spend(each, i);
    state_[i] = before ^ 1u << pin;
    if (each.kind == kCombinational) {
      follow(each, i, pin);
    } else {
      store(each, i, pin, before, false);
    }
  }

  void store(const Instance& each, int64_t i, int32_t pin, uint32_t before, bool first) {
    const uint64_t* functions = n_.truths + each.truth_base + each.outputs;
    const uint32_t state = state_[i];
    const auto at = [](uint64_t truth, uint32_t s) { return uint32_t(truth >> s & 1); };
    uint32_t stored = state >> each.inputs & 1;
    if (at(functions[2], state)) {
      stored = 0;
    } else if (at(functions[3], state)) {
      stored = 1;
    } else if (each.kind == kLatch) {
      if (at(functions[0], state)) stored = at(functions[1], state);
    } else if (!first && at(functions[0], state) && !at(functions[0], before)) {
      stored = at(functions[1], state);
    }
    state_[i] = (state & ~(1u << each.inputs)) | stored << each.inputs;
    follow(each, i, pin);
  }

  void follow(const Instance& each, int64_t i, int32_t pin) {
    const uint32_t state = state_[i];
    for (int64_t o = 0; o < each.outputs; ++o) {
      const int32_t net = n_.output_nets[each.net_base + o];
      if (net < 0) continue;
      const uint8_t wanted = n_.truths[each.truth_base + o] >> state & 1;
      if (pending_[net]) {
        if (wanted == value_[net]) {
          remove(net);
          ++c_.filtered;
        }
      } else if (wanted != value_[net]) {
        const int64_t event = each.output_base + ((o * each.inputs + pin) << each.variables) + state;
        insert(net, now_ + n_.delays[event], event);
      }
    }
  }

  void insert(int32_t net, int64_t time, int64_t cause) {
    const int64_t slot = time & (kSlots - 1);
    pending_[net] = 1;
    due_[net] = slot;
    cause_[net] = cause;
    previous_[net] = kNone;
    next_[net] = head_[slot];
    if (head_[slot] != kNone) previous_[head_[slot]] = net;
    head_[slot] = net;
    used_[slot >> 6] |= uint64_t(1) << (slot & 63);
  }

  void remove(int32_t net) {
    const int64_t slot = due_[net];
    pending_[net] = 0;
    if (previous_[net] == kNone) head_[slot] = next_[net]; else next_[previous_[net]] = next_[net];
    if (next_[net] != kNone) previous_[next_[net]] = previous_[net];
    if (head_[slot] == kNone) used_[slot >> 6] &= ~(uint64_t(1) << (slot & 63));
  }

  const Netlist& n_;
  Counts& c_;
  int64_t now_ = 0;
  std::vector<uint8_t> value_, pending_, last_;
  std::vector<int32_t> next_, previous_;
  std::vector<int64_t> due_, cause_;
  std::vector<uint32_t> state_;
  std::vector<int64_t> since_;
  std::vector<int32_t> head_;
  std::vector<uint64_t> used_;
};

}  // namespace

// `rows`: [cycles][inputs]; `sampled`: [cycles][outputs], before the edge that ends the cycle. Counts from `warm_up`.
extern "C" void simulate(const Netlist* netlist, Counts* counts, const uint8_t* rows, int64_t cycles,
                         int64_t warm_up, int64_t period, int64_t arrival, uint8_t* sampled) {
  Simulation simulation(*netlist, *counts);
  simulation.begin(rows);
  for (int64_t cycle = 0; cycle < cycles; ++cycle) {
    const int64_t start = cycle * period;
    if (cycle == warm_up) simulation.start_counting();
    if (cycle && netlist->clock >= 0) simulation.drive(int32_t(netlist->clock), 1);
    simulation.run(start + arrival);
    for (int64_t k = 0; k < netlist->inputs; ++k) {
      simulation.drive(netlist->input_nets[k], rows[cycle * netlist->inputs + k]);
    }
    simulation.run(start + period / 2);
    if (netlist->clock >= 0) simulation.drive(int32_t(netlist->clock), 0);
    simulation.run(start + period);
    simulation.end_cycle();
    for (int64_t k = 0; k < netlist->outputs; ++k) {
      sampled[cycle * netlist->outputs + k] = simulation.value(netlist->sampled_nets[k]);
    }
  }
  simulation.stop_counting();
}
