// load_word - one memory's place in the chain of bytes by which weights are loaded while the hardware is idle.
//
//   load_i = {start, valid, byte}       one byte a cycle at most
//
// After start, the first Words x ceil(Bits / 8) bytes are this memory's: words in address order, the low byte first, the
// unused high bits ignored. put_o writes each word as it is whole. Every later byte goes on to load_o, one cycle later, as
// start itself does, so the next memory of the chain takes them.

module load_word #(
  parameter int unsigned Bits  = 8,
  parameter int unsigned Words = 16,
  localparam int unsigned AddrBits = Words > 1 ? $clog2(Words) : 1
) (
  input  logic                clk_i,
  input  logic                rst_ni,
  input  logic [9:0]          load_i,
  output logic [9:0]          load_o,
  output logic                put_o,
  output logic [AddrBits-1:0] put_addr_o,
  output logic [Bits-1:0]     put_data_o
);
  localparam int unsigned Bytes = (Bits + 7) / 8;
  localparam int unsigned ByteBits = Bytes > 1 ? $clog2(Bytes) : 1;

  logic start, valid, taking_q, taken, last_byte, last_word, put_q;
  logic [7:0]          data;
  // verilator lint_off UNUSEDSIGNAL
  logic [8*Bytes-1:0]  word_q;  // the high bits of a word's last byte are not looked at
  // verilator lint_on UNUSEDSIGNAL
  logic [8*Bytes+7:0]  shifted;
  logic [ByteBits-1:0] byte_q;
  logic [AddrBits-1:0] addr_q;

  assign {start, valid, data} = load_i;
  assign taken      = taking_q && valid && !start;
  assign last_byte  = byte_q == ByteBits'(Bytes - 1);
  assign last_word  = addr_q == AddrBits'(Words - 1);
  assign shifted    = {data, word_q};
  assign put_data_o = word_q[Bits-1:0];
  assign put_o      = put_q && rst_ni;  // what a register holds before the first reset writes nothing

  always_ff @(posedge clk_i) begin
    if (taken) begin
      word_q     <= shifted[8*Bytes+7:8];
      put_addr_o <= addr_q;
    end
    load_o[7:0] <= data;
  end
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      taking_q    <= 1'b0;
      byte_q      <= '0;
      addr_q      <= '0;
      put_q       <= 1'b0;
      load_o[9:8] <= '0;
    end else begin
      put_q       <= taken && last_byte;
      load_o[9:8] <= {start, valid && !start && !taking_q};
      if (start) begin
        taking_q <= 1'b1;
        byte_q   <= '0;
        addr_q   <= '0;
      end else if (taken) begin
        byte_q <= last_byte ? '0 : byte_q + 1'b1;
        if (last_byte) begin
          addr_q <= last_word ? '0 : addr_q + 1'b1;
          if (last_word) taking_q <= 1'b0;
        end
      end
    end
  end
endmodule
