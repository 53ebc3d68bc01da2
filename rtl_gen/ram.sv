// One read port and one write port, both synchronous; a read of the address being written returns the old word.
// Contents start undefined. write_enable has one bit per GRANULE bits of the word.
module hwflow_ram #(
    parameter integer WIDTH = 16,
    parameter integer DEPTH = 16,
    parameter integer ADDRESS = 4,
    parameter integer GRANULE = 16
) (
    input  wire                     clk,
    input  wire                     read_enable,
    input  wire [ADDRESS-1:0]       read_address,
    output reg  [WIDTH-1:0]         read_data,
    input  wire [WIDTH/GRANULE-1:0] write_enable,
    input  wire [ADDRESS-1:0]       write_address,
    input  wire [WIDTH-1:0]         write_data
);
    reg [WIDTH-1:0] words [0:DEPTH-1];

    always @(posedge clk)
        if (read_enable)
            read_data <= words[read_address];

    generate
        if (GRANULE == WIDTH) begin : whole
            always @(posedge clk)
                if (write_enable[0])
                    words[write_address] <= write_data;
        end else begin : parts
            genvar part;
            for (part = 0; part < WIDTH / GRANULE; part = part + 1) begin : lane
                always @(posedge clk)
                    if (write_enable[part])
                        words[write_address][part*GRANULE +: GRANULE] <= write_data[part*GRANULE +: GRANULE];
            end
        end
    endgenerate
endmodule
