// Number of bits in which two words differ, DELAY (0 or 1) cycles later. Simulators have a fast builtin for it;
// rtl_gen/synthesis/carry_popcount.py writes the same module for carry cells.
module hwflow_differences #(
    parameter WIDTH = 64,
    parameter OUT = 7,
    parameter DELAY = 0
) (
    input              clk,
    input  [WIDTH-1:0] a,
    input  [WIDTH-1:0] b,
    output [OUT-1:0]   n
);
  /* verilator lint_off WIDTHTRUNC */
  generate
    if (DELAY == 0) begin : direct
      assign n = $countones(a ^ b);
    end else begin : registered
      // Registered half way, as counts of parts: as LUTs, both halves take less than 11 ns on an ECP5.
      localparam PART = 32, PARTS = (WIDTH + PART - 1) / PART;
      wire [PARTS*PART-1:0] different = a ^ b;
      reg [PARTS*6-1:0] counts;
      reg [OUT-1:0] sum;
      always @(posedge clk) for (integer i = 0; i < PARTS; i = i + 1) counts[i*6+:6] <= $countones(different[i*PART+:PART]);
      always @* begin
        sum = 0;
        for (integer i = 0; i < PARTS; i = i + 1) sum = sum + counts[i*6+:6];
      end
      assign n = sum;
    end
  endgenerate
  /* verilator lint_on WIDTHTRUNC */
endmodule
