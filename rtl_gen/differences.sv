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
  wire [OUT-1:0] count;
  /* verilator lint_off WIDTHTRUNC */
  assign count = $countones(a ^ b);
  /* verilator lint_on WIDTHTRUNC */
  generate
    if (DELAY == 0) begin : direct
      assign n = count;
    end else begin : registered
      reg [OUT-1:0] later;
      always @(posedge clk) later <= count;
      assign n = later;
    end
  endgenerate
endmodule
