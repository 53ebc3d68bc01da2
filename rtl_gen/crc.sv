// CRC of one message a cycle as the XOR of one table of 16 entries for every four bits; 0 where none exists.
// Lookups inside the branch: a simulator does nothing in cycles without a message, and 32 masked parities or
// cases of a comparison each take it many times as long. TABLES: entry of nibble n, value v at 32 * (16*n + v).
module hwflow_crc #(
    parameter integer NIBBLES = 24,
    parameter [31:0] ORIGIN = 0,
    parameter [512*NIBBLES-1:0] TABLES = 0
) (
    input  wire                   clk,
    input  wire                   exists,
    input  wire [4*NIBBLES-1:0]   message,
    output reg  [31:0]            crc
);
    // Synthesis keeps the order of XORs: in fours, a chain is a quarter as long.
    function automatic [31:0] looked_up(input [4*NIBBLES-1:0] bits);
        integer at, next;
        reg [31:0] four;
        begin
            looked_up = ORIGIN;
            for (at = 0; at < NIBBLES; at = at + 4) begin
                four = 32'd0;
                for (next = at; next < at + 4 && next < NIBBLES; next = next + 1)
                    four = four ^ TABLES[512*next + 32*bits[4*next +: 4] +: 32];
                looked_up = looked_up ^ four;
            end
        end
    endfunction

    always @(posedge clk)
        if (exists)
            crc <= looked_up(message);
        else
            crc <= 32'd0;
endmodule
