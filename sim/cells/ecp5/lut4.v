// ECP5 LUT4: bit {D, C, B, A} of INIT. Chosen input by input: an undefined input that makes no difference makes none.
// Source: Lattice FPGA libraries reference guide, LUT4.
module LUT4 #(
    parameter [15:0] INIT = 16'h0000
) (
    input  A,
    input  B,
    input  C,
    input  D,
    output Z
);
    wire [7:0] of_d = D ? INIT[15:8] : INIT[7:0];
    wire [3:0] of_c = C ? of_d[7:4] : of_d[3:0];
    wire [1:0] of_b = B ? of_c[3:2] : of_c[1:0];
    assign Z = A ? of_b[1] : of_b[0];
endmodule
