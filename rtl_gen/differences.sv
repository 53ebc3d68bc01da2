// Number of bits in which two words differ. Simulators have a fast builtin for it; rtl_gen/ecp5 has the same module
// made of carry cells.
module hwflow_differences #(
    parameter WIDTH = 64,
    parameter OUT = 7
) (
    input  [WIDTH-1:0] a,
    input  [WIDTH-1:0] b,
    output [OUT-1:0]   n
);
  /* verilator lint_off WIDTHTRUNC */
  assign n = $countones(a ^ b);
  /* verilator lint_on WIDTHTRUNC */
endmodule
