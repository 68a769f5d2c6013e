// crc32 - the CRC-32 of zlib and Ethernet over a sequence of bytes, one bit a cycle.
//
//   reflected polynomial 0xEDB88320, starts at all ones; the value sent is ~crc_o, low byte first
//
// A byte is taken at add_i and worked off in eight cycles, busy_o high; the serial line is slower than that.

module crc32 (
  input  logic        clk_i,
  input  logic        clear_i,
  input  logic        add_i,
  input  logic [7:0]  data_i,
  output logic        busy_o,
  output logic [31:0] crc_o
);
  logic [3:0] left_q;

  always_ff @(posedge clk_i) begin
    if (clear_i) begin
      crc_o  <= '1;
      left_q <= '0;
    end else if (add_i) begin
      crc_o[7:0] <= crc_o[7:0] ^ data_i;
      left_q     <= 4'd8;
    end else if (left_q != 0) begin
      crc_o  <= {1'b0, crc_o[31:1]} ^ (crc_o[0] ? 32'hEDB88320 : 32'h0);
      left_q <= left_q - 1'b1;
    end
  end

  assign busy_o = left_q != 0;
endmodule
