// The whole accelerator with its clock, memory, images and recorders: Python only waits for `finished`.
//
// Everything that does not change the compiled model is a plusarg, so one model serves every program:
//   memory, memory_beats     file with the memory image, each beat most significant byte first ($fread's order)
//   images, image_address, image_beats, image_first, image_count
//                            file of encoded images in the same byte order and which of them to run
//   schedule                 beat address of the schedule
//   latency                  cycles from an accepted request to the cycle its first beat can be taken, at least 1
//   beats, per               bandwidth: `beats` beats in `per` cycles, at most 1
//   stall, result_stall      chance out of 256 that a cycle answers no beat or accepts no request, or takes no result
//   seed                     of the stalls
//   error_at                 number of the beat of the run, from 0, that comes with an error; -1 none
//   silent_at, silent_for    number of the beat before which the memory neither answers nor accepts for so many cycles
//   keep_going               the next image runs after an error, when the accelerator is no longer busy
//   limit                    cycles of a frame after which the run fails
//   result, frames, progress output files: result words; (image, cycles) of every frame; text for a progress bar
//   trace                    prefix of the tap files <prefix>store.bin, mean.bin, pool.bin, scalar.bin
//   wave, wave_image, wave_from, wave_to
//                            waveform file and the window of frame cycles; the run ends after it
// With WRITES defined the accelerator has a write port; both ports share the bandwidth, and writes go first.
// With SDRAM defined the memory is that of sdram_memory.sv, with parameters SDRAM; it knows nothing of latency, beats,
// per, stall, error_at and silent_at. The first image starts when the chip is ready, in cycle BEGIN.
// Tap file records are 32-bit little-endian words: the tap from bit 0 upwards, the image number, the frame's cycle.
// Cycle 0 is the one in which the accelerator sees `start`.
module harness #(
  parameter int BYTES = 16,        // bytes of a memory beat
  parameter int DEPTH = 65536,     // beats of the memory
  parameter int STORE_BITS = 32,   // widths of the taps
  parameter int MEAN_BITS = 32,
  parameter int POOL_BITS = 32,
  parameter int SCALAR_BITS = 32,
  parameter int BEGIN = 8
) (
  output logic finished,
  output logic failed
);
  localparam int BEAT = 8 * BYTES;
  localparam int QUEUE = 64;
  localparam int STORE_RECORD = (STORE_BITS + 31) / 32 * 32;
  localparam int MEAN_RECORD = (MEAN_BITS + 31) / 32 * 32;
  localparam int POOL_RECORD = (POOL_BITS + 31) / 32 * 32;
  localparam int SCALAR_RECORD = (SCALAR_BITS + 31) / 32 * 32;

  logic clk = 0;
  always #1 clk = ~clk;

  logic rst = 1;
  logic start = 0;
  logic [31:0] schedule_address;
  logic busy, done, error;
  logic [39:0] request;
  logic request_valid;
`ifdef SDRAM
  logic request_ready, beat_error, beat_valid;
`else
  logic request_ready = 0;
  logic beat_error = 0;
  logic beat_valid = 0;
`endif
  logic [BEAT-1:0] beat;
  logic beat_ready;
  logic [63:0] result;
  logic result_valid;
  logic result_ready = 0;
  logic [STORE_BITS-1:0] tap_store;
  logic [MEAN_BITS-1:0] tap_mean;
  logic [POOL_BITS-1:0] tap_pool;
  logic [SCALAR_BITS-1:0] tap_scalar;

`ifdef WRITES
  logic [BEAT+31:0] write;
  logic write_valid;
`ifdef SDRAM
  logic write_ready, written;
`else
  logic write_ready = 0;
  logic written = 0;
`endif
`endif

  accelerator dut (
`ifdef WRITES
    .write__payload(write), .write__valid(write_valid), .write__ready(write_ready), .written(written),
`endif
    .clk(clk), .rst(rst), .start(start), .schedule_address(schedule_address), .busy(busy), .done(done),
    .error(error),
    .memory__request__payload(request), .memory__request__valid(request_valid),
    .memory__request__ready(request_ready),
    .memory__data__payload({beat_error, beat}), .memory__data__valid(beat_valid), .memory__data__ready(beat_ready),
    .result__payload(result), .result__valid(result_valid), .result__ready(result_ready),
    .tap_store(tap_store), .tap_mean(tap_mean), .tap_pool(tap_pool), .tap_scalar(tap_scalar)
  );

  // Options -----------------------------------------------------------------------------------------
  string memory_name, images_name, result_name, frames_name, progress_name, trace_name, wave_name;
  int memory_beats, image_address, image_beats, image_first, image_count;
  int latency, beats, per, stall, result_stall, seed, limit, error_at, silent_at, silent_for;
  int wave_image, wave_from, wave_to;
  int memory_file, images_file, result_file, frames_file, progress_file;
  int store_file, mean_file, pool_file, scalar_file;
  bit tracing, waving, keep_going;

  logic [BEAT-1:0] memory [0:DEPTH-1];

  task automatic complain(input string what);
    $display("harness: %s", what);
    failed <= 1;
    finished <= 1;
  endtask

`ifdef SDRAM
  logic violated;
  sdram_memory #(`SDRAM) external (
    .clk(clk), .rst(rst),
    .request(request), .request_valid(request_valid), .request_ready(request_ready),
    .beat({beat_error, beat}), .beat_valid(beat_valid),
`ifdef WRITES
    .write(write), .write_valid(write_valid), .write_ready(write_ready), .written(written),
`else
    .write('0), .write_valid(1'b0), .write_ready(), .written(),
`endif
    .violated(violated)
  );

  // Beats first..first+count-1 of what was read from a file.
  task automatic into_chip(input int first, input int count);
    for (int n = first; n < first + count; n++)
      for (int word = 0; word < BYTES / 2; word++)
        external.board.chip.memory[n * (BYTES / 2) + word] = memory[n][16 * word +: 16];
  endtask

  always @(posedge clk) if (violated) complain("the SDRAM was used wrongly");
`endif

  int got;
  initial begin
    finished = 0;
    failed = 0;
    latency = 8; beats = 1; per = 1; stall = 0; result_stall = 0; seed = 1; limit = 100000000;
    error_at = -1; silent_at = -1; silent_for = 0;
    image_first = 0; wave_image = 0; wave_from = 0; wave_to = 0;
    if (!$value$plusargs("memory=%s", memory_name) || !$value$plusargs("memory_beats=%d", memory_beats)
        || !$value$plusargs("images=%s", images_name) || !$value$plusargs("image_address=%d", image_address)
        || !$value$plusargs("image_beats=%d", image_beats) || !$value$plusargs("image_count=%d", image_count)
        || !$value$plusargs("schedule=%d", schedule_address) || !$value$plusargs("result=%s", result_name)
        || !$value$plusargs("frames=%s", frames_name) || !$value$plusargs("progress=%s", progress_name))
      complain("a required plusarg is missing");
    got = $value$plusargs("image_first=%d", image_first);
    got = $value$plusargs("latency=%d", latency);
    got = $value$plusargs("beats=%d", beats);
    got = $value$plusargs("per=%d", per);
    got = $value$plusargs("stall=%d", stall);
    got = $value$plusargs("result_stall=%d", result_stall);
    got = $value$plusargs("seed=%d", seed);
    got = $value$plusargs("limit=%d", limit);
    got = $value$plusargs("error_at=%d", error_at);
    got = $value$plusargs("silent_at=%d", silent_at);
    got = $value$plusargs("silent_for=%d", silent_for);
    keep_going = $test$plusargs("keep_going") != 0;
    got = $value$plusargs("wave_image=%d", wave_image);
    got = $value$plusargs("wave_from=%d", wave_from);
    got = $value$plusargs("wave_to=%d", wave_to);
    waving = $value$plusargs("wave=%s", wave_name) != 0;
    tracing = $value$plusargs("trace=%s", trace_name) != 0;
    memory_file = $fopen(memory_name, "rb");
    images_file = $fopen(images_name, "rb");
    result_file = $fopen(result_name, "wb");
    frames_file = $fopen(frames_name, "wb");
    progress_file = $fopen(progress_name, "w");
    if (memory_file == 0 || images_file == 0 || result_file == 0 || frames_file == 0 || progress_file == 0)
      complain("a file cannot be opened");
    if (memory_beats > DEPTH || image_address + image_beats > DEPTH)
      complain("the memory is too small for the program");
    got = $fread(memory, memory_file, 0, memory_beats);
    if (got != memory_beats * BYTES) complain("the memory file is too short");
`ifdef SDRAM
    into_chip(0, memory_beats);
`endif
    if (tracing) begin
      store_file = $fopen({trace_name, "store.bin"}, "wb");
      mean_file = $fopen({trace_name, "mean.bin"}, "wb");
      pool_file = $fopen({trace_name, "pool.bin"}, "wb");
      scalar_file = $fopen({trace_name, "scalar.bin"}, "wb");
    end
    random = {32'h9e3779b9, seed} | 64'd1;
  end

  // Frames ------------------------------------------------------------------------------------------
  logic [63:0] cycle = 0;
  logic [31:0] frame_cycle = 0;
  int image = 0;
  bit running = 0;
  bit draining = 0;

  task automatic finish();
    $fflush(result_file);
    $fflush(frames_file);
    finished <= 1;
  endtask

  task automatic next_image();
    if (image == image_count) finish();
    else begin
      if ($fseek(images_file, (image_first + image) * image_beats * BYTES, 0) != 0)
        complain("the images file is too short");
      got = $fread(memory, images_file, image_address, image_beats);
      if (got != image_beats * BYTES) complain("the images file is too short");
`ifdef SDRAM
      into_chip(image_address, image_beats);
`endif
      start <= 1;
      running <= 1;
      frame_cycle <= 0;
    end
  endtask

  task automatic report_progress();
    $fwrite(progress_file, "%0d %0d\n", image, cycle);
    $fflush(progress_file);
  endtask

  always @(posedge clk) begin
    cycle <= cycle + 1;
    frame_cycle <= start ? 32'd1 : frame_cycle + 1;
    start <= 0;
    if (cycle == 4) rst <= 0;
    // The units leave their reset later than `rst` falls; `busy` says so.
    if (cycle == 64'(BEGIN)) draining <= 1;
    if (cycle[16:0] == 0) report_progress();
    if (running && done) begin
      $fwrite(frames_file, "%u", {frame_cycle, image_first + image});
      image = image + 1;
      report_progress();
      running <= 0;
      if (!error) next_image();
      else if (keep_going) draining <= 1;
      else finish();
    end else if (draining && !busy) begin
      draining <= 0;
      next_image();
    end else if ((running || draining) && frame_cycle >= limit) complain("a frame took more cycles than the limit");
  end

  // Memory: requests wait in order; a beat is answered when it is due and bandwidth and stalls allow it ----------
  logic [63:0] random;
`ifndef SDRAM
  logic [31:0] queue_address [0:QUEUE-1];
  logic [31:0] queue_beats [0:QUEUE-1];
  logic [63:0] queue_due [0:QUEUE-1];
  logic [5:0] head = 0, tail = 0;
  int waiting = 0;
  int offset = 0;
  int credit = 0;
  int next_credit;
  int answered = 0;
  int silence = 0;
  bit silent;
  logic [31:0] address;
`ifdef WRITES
  // Beats on their way: each lands in the memory, and is acknowledged, `latency` cycles after it was taken.
  localparam int WRITES = 512;
  logic [31:0] landing_address [0:WRITES-1];
  logic [BEAT-1:0] landing_data [0:WRITES-1];
  logic [63:0] landing_due [0:WRITES-1];
  int landing_head = 0, landing_tail = 0;
`endif
`endif

  always @(posedge clk) begin
    random = random ^ (random << 13);
    random = random ^ (random >> 7);
    random = random ^ (random << 17);
`ifndef SDRAM
    next_credit = credit + beats > per ? per : credit + beats;
    silent = answered == silent_at && silence < silent_for;
    if (silent) silence = silence + 1;
    if (request_valid && request_ready) begin
      if (request[39:32] == 0 || request[39:32] > 16) complain("a request has not 1..16 beats");
      queue_address[tail] = request[31:0];
      queue_beats[tail] = {24'd0, request[39:32]};
      queue_due[tail] = cycle + 64'(latency) - 1;
      tail <= tail + 1;
      waiting = waiting + 1;
    end
`ifdef WRITES
    // A write is taken first; what it takes of the bandwidth delays beats that are read.
    if (write_valid && write_ready) begin
      if (write[31:0] >= DEPTH) complain("a write lies outside the memory");
      if (landing_tail - landing_head == WRITES) complain("more writes than the memory may owe");
      landing_address[landing_tail % WRITES] = write[31:0];
      landing_data[landing_tail % WRITES] = write[BEAT+31:32];
      landing_due[landing_tail % WRITES] = cycle + 64'(latency) - 1;
      landing_tail = landing_tail + 1;
      next_credit = next_credit - per;
    end
    written <= 0;
    if (landing_tail != landing_head && cycle >= landing_due[landing_head % WRITES]) begin
      memory[landing_address[landing_head % WRITES][$clog2(DEPTH)-1:0]] = landing_data[landing_head % WRITES];
      landing_head = landing_head + 1;
      written <= 1;
    end
`endif
    request_ready <= waiting < QUEUE - 1 && int'(random[7:0]) >= stall && !silent;
    if (!beat_valid || beat_ready) begin
      beat_valid <= 0;
      if (waiting != 0 && cycle >= queue_due[head] && next_credit >= per && int'(random[15:8]) >= stall
          && !silent) begin
        address = queue_address[head] + offset;
        if (address >= DEPTH) complain("a request lies outside the memory");
        else beat <= memory[address[$clog2(DEPTH)-1:0]];
        beat_valid <= 1;
        beat_error <= answered == error_at;
        answered = answered + 1;
        next_credit = next_credit - per;
        offset = offset + 1;
        if (offset == queue_beats[head]) begin
          offset = 0;
          head <= head + 1;
          waiting = waiting - 1;
        end
      end
    end
    credit = next_credit;
`ifdef WRITES
    write_ready <= credit + beats >= per && int'(random[31:24]) >= stall && !silent;
`endif
`endif
    result_ready <= int'(random[23:16]) >= result_stall;
    if (result_valid && result_ready) $fwrite(result_file, "%u", result);
  end

  // Taps and waveform -------------------------------------------------------------------------------
  always @(posedge clk) if (tracing) begin
    if (tap_store[0]) $fwrite(store_file, "%u", {frame_cycle, image_first + image, STORE_RECORD'(tap_store)});
    if (tap_mean[0]) $fwrite(mean_file, "%u", {frame_cycle, image_first + image, MEAN_RECORD'(tap_mean)});
    if (tap_pool[0]) $fwrite(pool_file, "%u", {frame_cycle, image_first + image, POOL_RECORD'(tap_pool)});
    if (tap_scalar[0]) $fwrite(scalar_file, "%u", {frame_cycle, image_first + image, SCALAR_RECORD'(tap_scalar)});
  end

`ifdef WAVES
  bit dumping = 0;
  always @(posedge clk) if (waving && running && image_first + image == wave_image) begin
    if (!dumping && frame_cycle >= wave_from) begin
      $dumpfile(wave_name);
      $dumpvars(0, harness);
      dumping <= 1;
    end
    if (frame_cycle >= wave_to) begin
      $c("vlSymsp->_traceDumpClose();");
      finished <= 1;
    end
  end
`endif

  final begin
    $fclose(result_file);
    $fclose(frames_file);
    $fclose(progress_file);
    if (tracing) begin
      $fclose(store_file);
      $fclose(mean_file);
      $fclose(pool_file);
      $fclose(scalar_file);
    end
  end
endmodule
