// ECP5 muxes that join LUT4s of a slice. Source: Lattice FPGA libraries reference guide, PFUMX and L6MUX21.
module PFUMX (
    input  ALUT,
    input  BLUT,
    input  C0,
    output Z
);
    assign Z = C0 ? ALUT : BLUT;
endmodule

module L6MUX21 (
    input  D0,
    input  D1,
    input  SD,
    output Z
);
    assign Z = SD ? D1 : D0;
endmodule
