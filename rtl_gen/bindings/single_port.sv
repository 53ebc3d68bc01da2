// One synchronous port: a cycle with `enable` writes or reads. Contents start undefined.
module hwflow_single_port_ram #(
    parameter integer WIDTH = 16,
    parameter integer DEPTH = 16,
    parameter integer ADDRESS = 4
) (
    input  wire               clk,
    input  wire               enable,
    input  wire               write_enable,
    input  wire [ADDRESS-1:0] address,
    input  wire [WIDTH-1:0]   write_data,
    output reg  [WIDTH-1:0]   read_data
);
    reg [WIDTH-1:0] words [0:DEPTH-1];

    always @(posedge clk)
        if (enable) begin
            if (write_enable)
                words[address] <= write_data;
            else
                read_data <= words[address];
        end
endmodule
