// Number of ones in a word. Simulators have a fast builtin for it and Yosys maps it as well as a tree.
module hwflow_popcount #(
    parameter WIDTH = 64,
    parameter OUT = 7
) (
    input  [WIDTH-1:0] a,
    output [OUT-1:0]   n
);
  /* verilator lint_off WIDTHTRUNC */
  assign n = $countones(a);
  /* verilator lint_on WIDTHTRUNC */
endmodule
