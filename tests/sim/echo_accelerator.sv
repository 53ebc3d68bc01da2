// Stands in for the accelerator in the harness's own tests: reads 4 beats at the schedule's address and 6 at the
// address in the low word of the first of them, sends the low 64 bits of each beat as a result and taps them.
module accelerator #(parameter int BYTES = 16) (
  input logic clk, input logic rst, input logic start, input logic [31:0] schedule_address,
  output logic busy, output logic done, output logic error,
  output logic [39:0] memory__request__payload, output logic memory__request__valid, input logic memory__request__ready,
  input logic [8*BYTES:0] memory__data__payload, input logic memory__data__valid, output logic memory__data__ready,
  output logic [63:0] result__payload, output logic result__valid, input logic result__ready,
  output logic [71:0] tap_store, output logic [31:0] tap_mean, output logic [31:0] tap_pool,
  output logic [66:0] tap_scalar
);
  logic [3:0] received;
  logic second;
  assign error = 0;
  assign memory__data__ready = result__ready;
  assign result__valid = memory__data__valid;
  assign result__payload = memory__data__payload[63:0];
  wire taken = result__valid && result__ready;
  assign tap_store = {memory__data__payload[70:0], taken};
  assign tap_mean = 0;
  assign tap_pool = 0;
  assign tap_scalar = {62'd0, received, done};
  always_ff @(posedge clk) begin
    done <= 0;
    if (rst) begin
      memory__request__valid <= 0; busy <= 0; received <= 0; second <= 0;
    end else begin
      if (start) begin
        busy <= 1; memory__request__valid <= 1; received <= 0; second <= 0;
        memory__request__payload <= {8'd4, schedule_address};
      end else if (memory__request__valid && memory__request__ready) memory__request__valid <= 0;
      if (taken) begin
        received <= received + 1;
        if (received == 0) begin
          memory__request__valid <= 1;
          memory__request__payload <= {8'd6, memory__data__payload[31:0]};
        end
        if (received == 9) begin done <= 1; busy <= 0; end
      end
    end
  end
endmodule
