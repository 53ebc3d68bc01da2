// ECP5 CCU2C: two bits of carry chain, each a LUT4, a LUT2 of its A and B (the low four bits of INIT) and a carry mux.
// INJECT "YES" cuts the bit off the chain: its sum takes no carry, and the LUT2 generates none.
// Source: Lattice FPGA libraries reference guide, CCU2C, and FPGA-TN-02206 (carry chain of a slice).
module CCU2C #(
    parameter [15:0] INIT0 = 16'h0000,
    parameter [15:0] INIT1 = 16'h0000,
    parameter INJECT1_0 = "YES",
    parameter INJECT1_1 = "YES"
) (
    input  CIN,
    input  A0,
    input  B0,
    input  C0,
    input  D0,
    input  A1,
    input  B1,
    input  C1,
    input  D1,
    output S0,
    output S1,
    output COUT
);
    // A module that does not exist refuses what is not modelled, and names it.
    generate
        if ((INJECT1_0 != "YES" && INJECT1_0 != "NO") || (INJECT1_1 != "YES" && INJECT1_1 != "NO"))
            CCU2C_INJECT1_is_not_modelled refused ();
    endgenerate

    localparam CHAINED0 = INJECT1_0 == "NO";
    localparam CHAINED1 = INJECT1_1 == "NO";

    wire propagate0, propagate1, short0, short1;
    LUT4 #(.INIT(INIT0)) lut0 (.A(A0), .B(B0), .C(C0), .D(D0), .Z(propagate0));
    LUT4 #(.INIT(INIT1)) lut1 (.A(A1), .B(B1), .C(C1), .D(D1), .Z(propagate1));
    LUT4 #(.INIT(INIT0)) lut2 (.A(A0), .B(B0), .C(1'b0), .D(1'b0), .Z(short0));
    LUT4 #(.INIT(INIT1)) lut3 (.A(A1), .B(B1), .C(1'b0), .D(1'b0), .Z(short1));

    wire generate0 = CHAINED0 & short0;
    wire generate1 = CHAINED1 & short1;
    wire middle = propagate0 ? CIN : generate0;

    assign S0 = propagate0 ^ (CHAINED0 & CIN);
    assign S1 = propagate1 ^ (CHAINED1 & middle);
    assign COUT = propagate1 ? middle : generate1;
endmodule
